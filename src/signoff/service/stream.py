"""Follow what runs stream: one run to its end, or a thread from run to run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Any

import orjson

from signoff.db import stream_events, threads
from signoff.db.notices import Followed
from signoff.db.stream_events import Place, StreamEvent
from signoff.domain.errors import InvalidInput, NotSupported, RunNotFound, ThreadNotFound
from signoff.domain.thread import ThreadStatus
from signoff.graph.wish import STREAM_MODES
from signoff.service.office import Office

LOOK_AGAIN = 5.0
"""Seconds after which events are looked for without being told: a safety net only."""


async def follow_run(
    office: Office, thread_id: str, run_id: str, *, after: int = 0
) -> AsyncGenerator[list[StreamEvent], None]:
    """What a run streams, in order and complete, until it pauses or ends; in pages.

    Some are empty. `after` is the id of the event to go on behind.

    Raises:
        RunNotFound: There is no such run on this thread, or not any more.
    """
    done = done_data(run_id)
    async with office.notices.of_stream(thread_id) as told:
        told.moved = True
        while True:
            told.clear()
            ended = told.moved and await _has_ended(office, thread_id, run_id, told)
            page = await office.together.page(Place(thread_id, after, run_id))
            after = page.events[-1].id if page.events else after
            yield [each for each in page.events if each.text != done]
            if page.more:
                told.moved |= ended
                continue
            if ended:
                return
            await _wait(told)


async def follow_thread(
    office: Office, thread_id: str, *, after: int, until_rest: bool = False
) -> AsyncGenerator[list[StreamEvent], None]:
    """What the runs of a thread stream, one after the other, in order and complete; in pages.

    Some are empty. It goes on behind the event with the id `after`: until the thread rests, or for
    ever, which is until this process is about to stop.

    Raises:
        ThreadNotFound: There is no such thread, or not any more.
    """
    async with office.notices.of_stream(thread_id) as told:
        told.moved = True
        while not office.notices.closing.is_set():
            told.clear()
            rests = told.moved and await _rests(office, thread_id, told)
            page = await office.together.page(Place(thread_id, after))
            after = page.events[-1].id if page.events else after
            yield page.events
            if page.more:
                told.moved |= rests
                continue
            if rests and until_rest:
                return
            await _wait(told)


async def newest_event(office: Office, thread_id: str) -> int:
    """The id of the newest event of a thread, behind which everything is that comes from now on."""
    async with office.database.connection() as conn:
        return await stream_events.last(conn, thread_id)


async def forget_streams(office: Office, older_than: timedelta) -> None:
    """Delete what runs have streamed longer ago."""
    more = True
    while more:
        async with office.database.connection() as conn:
            more = await stream_events.delete_old(conn, older_than)


CANCELLED = "UserInterrupt: The run was cancelled"
"""The error of a run that was cancelled, as LangGraph's server calls it."""


def error_data(error: str) -> str:
    """The `error` event of a run that has failed: the exception's name, and its message."""
    name, separator, message = error.partition(": ")
    if not separator or not name.isidentifier():
        name, message = "RunFailed", error
    return orjson.dumps({"error": name, "message": message}).decode()


def done_data(run_id: str) -> str:
    """The `metadata` event by which those who follow a thread know that a run is done."""
    return orjson.dumps({"status": "run_done", "run_id": run_id}).decode()


def stream_options(modes: str | Sequence[str], *, subgraphs: bool = False) -> dict[str, Any]:
    """The options of a run that streams in these modes.

    Raises:
        NotSupported: One of them is not a mode that a run here can stream in.
    """
    asked = [modes] if isinstance(modes, str) else list(modes)
    for mode in asked:
        if mode not in STREAM_MODES:
            raise NotSupported(f"{mode!r} is no stream mode: there are {', '.join(STREAM_MODES)}")
    return {"stream_mode": asked, "stream_subgraphs": subgraphs} if asked else {}


def check_event_id(text: str | None) -> int | None:
    """The number of an event by its id; -1 stands for the beginning of what is kept.

    Raises:
        InvalidInput: No event has such an id.
    """
    if text is None:
        return None
    if re.fullmatch(r"-1|\d{1,18}", text, re.ASCII) is None:
        raise InvalidInput(f"{text[:100]!r} is no id of an event")
    return max(int(text), 0)


async def _wait(told: Followed) -> None:
    try:
        async with asyncio.timeout(LOOK_AGAIN):
            await told.wait()
    except TimeoutError:
        told.moved = True


async def _has_ended(office: Office, thread_id: str, run_id: str, told: Followed) -> bool:
    told.moved = False
    ending = await office.together.ending(thread_id, run_id)
    if ending is None:
        raise RunNotFound.of(thread_id, run_id)
    return ending.ended


async def _rests(office: Office, thread_id: str, told: Followed) -> bool:
    told.moved = False
    async with office.database.connection() as conn:
        thread = await threads.get(conn, thread_id)
    if thread is None:
        raise ThreadNotFound.of(thread_id)
    return thread.status is not ThreadStatus.BUSY
