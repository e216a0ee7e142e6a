"""Callers that are cancelled, come from another event loop, or bring what is no text."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from langgraph.types import interrupt

from signoff import Signoff, errors
from signoff.db import threads
from signoff.domain.request import RequestState
from signoff.domain.thread import ThreadStatus
from tests.conftest import OpenDesk
from tests.helpers import (
    TIMEOUT,
    Log,
    blocked,
    chain,
    eventually,
    listed,
    rows,
    settled,
    started,
    the_open,
)


def review(state: Log) -> Log:
    return {"seen": [interrupt("fine?")]}


async def test_the_decision_of_a_caller_who_is_cancelled_goes_on_in_this_process(
    open_desk: OpenDesk,
) -> None:
    # Nobody else would find the thread within this takeover.
    desk: Signoff = await open_desk({"g": chain(review)}, takeover="600s")
    await started(desk)
    request = await the_open(desk)
    async with desk.office.database.transaction() as conn:
        await threads.lock(conn, "t")
        caller = asyncio.create_task(
            desk.decide(request.id, "respond", values={"value": "yes"}, by="jane")
        )
        await blocked(desk.office.database)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    async def decided() -> bool:
        return (await desk.request(request.id)).state is RequestState.DECIDED

    await eventually(decided)
    thread = await settled(desk)
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["yes"])


async def test_the_run_of_a_caller_who_is_cancelled_begins_in_this_process(
    open_desk: OpenDesk,
) -> None:
    desk: Signoff = await open_desk({"g": chain(review)}, takeover="600s")
    async with desk.office.database.transaction() as conn:
        await conn.execute("LOCK TABLE threads IN ACCESS EXCLUSIVE MODE")
        caller = asyncio.create_task(desk.start("g", {}, by="jane", thread_id="t"))
        await blocked(desk.office.database)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    async def made() -> bool:
        return bool(await rows(desk, "SELECT 1 FROM threads WHERE id = 't'"))

    await eventually(made)
    assert (await settled(desk)).status is ThreadStatus.INTERRUPTED


async def test_a_desk_is_opened_once_at_a_time(open_desk: OpenDesk) -> None:
    desk: Signoff = await open_desk({"g": chain(review)})
    with pytest.raises(errors.ConfigError, match="open already"):
        async with desk:
            pass
    assert (await started(desk)).status is ThreadStatus.INTERRUPTED


async def test_a_desk_that_was_closed_opens_again(open_desk: OpenDesk, database_url: str) -> None:
    desk = Signoff(database_url, {"g": chain(review)}, work=False)
    for _ in range(2):
        async with desk:
            assert (await desk.requests()).total == 0
        with pytest.raises(errors.ConfigError, match="not open"):
            await desk.requests()


async def test_another_event_loop_is_told_so(open_desk: OpenDesk) -> None:
    desk: Signoff = await open_desk({"g": chain(review)})
    await started(desk)
    request = await the_open(desk)
    for call in (
        lambda: desk.thread("t"),
        lambda: desk.wait("t"),
        lambda: desk.requests(thread_id="t"),
        lambda: desk.start("g", {}, by="jane"),
        lambda: desk.decide(request.id, "respond", values={"value": 1}, by="jane"),
    ):
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, call())  # type: ignore[no-untyped-call]
    loop = asyncio.get_running_loop()
    ask = asyncio.run_coroutine_threadsafe
    thread = await asyncio.to_thread(lambda: ask(desk.thread("t"), loop).result(TIMEOUT))
    assert thread.status is ThreadStatus.INTERRUPTED


async def test_a_decision_of_the_wrong_types_is_refused(open_desk: OpenDesk) -> None:
    desk: Signoff = await open_desk({"g": chain(review)})
    await started(desk)
    request = await the_open(desk)
    wrong: list[dict[str, Any]] = [
        {"note": 5},
        {"note": ["fine"]},
        {"idempotency_key": 5},
        {"idempotency_key": "a\x00"},
        {"idempotency_key": "\ud800"},
        {"by": None},
        {"by": 5},
    ]
    for given in wrong:
        with pytest.raises(errors.InvalidInput):
            await desk.decide(
                request.id, "respond", **{"by": "jane", "values": {"value": 1}, **given}
            )
    assert await the_open(desk) == request


async def test_ids_that_are_no_texts_are_unknown(open_desk: OpenDesk) -> None:
    desk: Signoff = await open_desk({"g": chain(review)})
    await started(desk)
    request = await the_open(desk)
    unknown: list[Any] = [None, 5, uuid4()]
    for id_ in unknown:
        with pytest.raises(errors.RequestNotFound):
            await desk.request(id_)
        with pytest.raises(errors.ThreadNotFound):
            await desk.thread(id_)
        with pytest.raises(errors.ThreadNotFound):
            await desk.wait(id_, timeout=TIMEOUT)
    for thread_id in ("", 5):
        with pytest.raises(errors.InvalidInput, match="thread id"):
            await desk.start("g", {}, by="jane", thread_id=thread_id)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidInput, match="limit"):
        await desk.requests(limit="5")
    assert (await desk.request(UUID(request.id))).id == request.id  # type: ignore[arg-type]
    assert [each.state for each in await listed(desk)] == [RequestState.OPEN]
