"""Streams of runs and threads, in the shapes of LangGraph's server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, TypeAlias

import orjson
from fastapi import APIRouter, Header, Query, Request

from signoff.api.route import WITH_BODY, Caller, Route, refusals
from signoff.api.runs import RunCreate, StreamModes, begin, location
from signoff.api.sse import EventStream, frame
from signoff.api.waiting import KEEP_ALIVE, result_of
from signoff.api.wire import refuse
from signoff.db.stream_events import StreamEvent
from signoff.domain.run import Run, RunStatus
from signoff.graph.wish import StreamMode
from signoff.service import read
from signoff.service.stream import (
    CANCELLED,
    check_event_id,
    error_data,
    follow_run,
    follow_thread,
    newest_event,
)
from signoff.service.wait import watching

router = APIRouter(tags=["runs"], route_class=Route)

LastEventId: TypeAlias = Annotated[
    str | None, Header(description="The id of the last event one has: it goes on behind it.")
]


@router.post(
    "/threads/{thread_id}/runs/stream",
    response_class=EventStream,
    responses=refusals(409, *WITH_BODY),
)
async def stream_new_run(
    caller: Caller, request: Request, thread_id: str, order: RunCreate
) -> EventStream:
    """Start a run, and follow what it streams until it pauses or ends.

    A reader who leaves does not stop it, and can come back by `location`.
    """
    if not order.stream_mode:
        order = order.model_copy(update={"stream_mode": ["values"]})
    run = await begin(caller, thread_id, order)
    return _stream(caller, request, run, 0, None)


@router.get(
    "/threads/{thread_id}/runs/{run_id}/stream",
    response_class=EventStream,
    responses=refusals(),
)
async def stream_run(
    caller: Caller,
    request: Request,
    thread_id: str,
    run_id: str,
    stream_mode: Annotated[
        StreamModes, Query(description="Only these, of those that it streams.")
    ] = None,
    cancel_on_disconnect: bool = False,
    last_event_id: LastEventId = None,
) -> EventStream:
    """Follow what a run streams until it pauses or ends: from its beginning, as far as it is kept.

    With `Last-Event-ID`, right behind that event. Of a run that was not asked to stream, it tells
    the state in which it pauses or ends.
    """
    if cancel_on_disconnect:
        refuse("cancel_on_disconnect", "can only be false")
    after = check_event_id(last_event_id) or 0
    run = await read.get_run(caller.office, thread_id, run_id)
    return _stream(caller, request, run, after, stream_mode)


@router.get(
    "/threads/{thread_id}/stream",
    tags=["threads"],
    response_class=EventStream,
    responses=refusals(),
)
async def stream_thread(
    caller: Caller,
    thread_id: str,
    stream_mode: Annotated[
        list[str] | None, Query(description="Only `run_modes`: what the runs stream.")
    ] = None,
    last_event_id: LastEventId = None,
) -> EventStream:
    """Follow what the runs of a thread stream, one after the other, for ever: from now on.

    With `Last-Event-ID`, right behind that event; -1 begins with the oldest that is kept. Behind a
    run's last event comes `metadata` with the status `run_done`.
    """
    if set(stream_mode or ()) - {"run_modes"}:
        refuse("stream_mode", "can only be run_modes")
    after = check_event_id(last_event_id)
    await read.get_thread(caller.office, thread_id)
    if after is None:
        after = await newest_event(caller.office, thread_id)
    return EventStream(_frames(follow_thread(caller.office, thread_id, after=after)))


def _stream(
    caller: Caller, request: Request, run: Run, after: int, modes: list[StreamMode] | None
) -> EventStream:
    where = location(request, run)
    headers = {"location": f"{where}/stream", "content-location": where}
    if not run.options.get("stream_mode"):
        return EventStream(_end(caller, run), headers)
    pages = follow_run(caller.office, run.thread_id, run.id, after=after)
    return EventStream(_frames(pages, modes), headers)


async def _end(caller: Caller, run: Run) -> AsyncIterator[list[bytes]]:
    """What there is to tell of a run that streams nothing: how it ends. It has no place to go on
    from, so that whoever comes back is told again."""

    head = {"run_id": run.id, "attempt": max(run.attempt, 1)}
    yield [frame("metadata", orjson.dumps(head).decode(), "0")]
    async with watching(caller.office, caller.desk.notices, run.thread_id) as watch:
        while not (ending := await watch.look(run.id)).ended:
            await watch.until_ended(run.id, within=KEEP_ALIVE)
            yield []
    error = CANCELLED if ending.status is RunStatus.CANCELLED else ending.error
    if error is not None:
        yield [frame("error", error_data(error), "0")]
    else:
        yield [frame("values", orjson.dumps(result_of(ending)).decode(), "0")]


async def _frames(
    pages: AsyncIterator[list[StreamEvent]], modes: list[StreamMode] | None = None
) -> AsyncIterator[list[bytes]]:
    wanted: set[str] = {"messages" if mode == "messages-tuple" else mode for mode in modes or ()}
    if wanted:
        wanted |= {"metadata", "error"}
    async for page in pages:
        yield [
            frame(each.event, each.text, str(each.id))
            for each in page
            if not wanted or re.split(r"[|/]", each.event, maxsplit=1)[0] in wanted
        ]
