"""Cancelling runs: what is under way stops, what is asked is taken back, and nothing reopens."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest
from langgraph.types import interrupt

from signoff import once
from signoff.domain.errors import Conflict, LeaseLost, RequestClosed, RunNotFound, ThreadNotFound
from signoff.domain.run import RunStatus
from signoff.domain.thread import ThreadStatus
from signoff.ids import new_id
from signoff.service import read
from tests.conftest import OpenDesk
from tests.helpers import (
    TIMEOUT,
    Log,
    answered,
    by_title,
    chain,
    events,
    fork,
    listed,
    opened_requests,
    rows,
    settled,
    started,
    the_open,
)


def review(state: Log) -> Log:
    return {"seen": [interrupt("which?")]}


class Gate:
    """A node that waits: `reached` says that it does, `opened` lets it go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self.cancelled = False

    async def __call__(self) -> None:
        self.reached.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    async def closed_on(self) -> None:
        """Return once the node waits."""
        await asyncio.wait_for(self.reached.wait(), TIMEOUT)


async def status_of(desk: Any, run_id: str) -> RunStatus:
    return (await read.get_run(desk.office, "t", run_id)).status


async def test_a_run_that_waits_at_its_pause_is_cancelled_with_its_request(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    request = await the_open(desk)
    run = await desk.cancel("t", request.run_id, by="boss")
    assert run.status is RunStatus.CANCELLED
    assert (await desk.thread("t")).status is ThreadStatus.IDLE
    withdrawn = await desk.request(request.id)
    assert (withdrawn.state, withdrawn.delivery) == ("withdrawn", "none")
    with pytest.raises(RequestClosed):
        await desk.decide(request.id, "respond", values={"value": 1}, by="jane")
    with pytest.raises(Conflict):
        await desk.cancel("t", request.run_id, by="boss")
    assert (await events(desk))[-2:] == ["request.withdrawn", "run.cancelled"]


async def test_starting_again_after_a_cancelled_pause_asks_anew(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    old = await the_open(desk)
    await desk.cancel("t", old.run_id, by="boss")
    await desk.start("g", None, by="boss", thread_id="t")
    assert (await settled(desk)).status is ThreadStatus.INTERRUPTED
    new = await the_open(desk)
    assert (new.title, new.revises) == ("which?", old.id)
    assert new.interrupt_id != old.interrupt_id
    assert (await answered(desk, "this")).values["seen"] == ["this"]
    assert [r.state.value for r in await listed(desk)] == ["withdrawn", "decided"]
    assert (await listed(desk))[1].delivery == "delivered"


async def test_new_input_after_a_cancelled_pause_begins_anew(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    await desk.cancel("t", (await the_open(desk)).run_id, by="boss")
    await started(desk, input={"seen": ["again"]})
    assert (await answered(desk, "this")).values["seen"] == ["again", "this"]


async def test_starting_again_asks_only_what_has_no_answer(open_desk: OpenDesk) -> None:
    ran: list[str] = []

    def left(state: Log) -> Log:
        answer = interrupt("left?")
        ran.append("left")
        return {"seen": [answer]}

    desk = await open_desk({"g": fork(left, review)})
    await started(desk)
    await desk.decide(
        (await by_title(desk))["left?"].id, "respond", values={"value": "L"}, by="jane"
    )
    await settled(desk)
    [run] = await rows(desk, "SELECT id FROM runs ORDER BY created_at DESC LIMIT 1")
    await desk.cancel("t", str(run["id"]), by="boss")
    await desk.start("g", None, by="boss", thread_id="t")
    await settled(desk)
    assert (await the_open(desk)).title == "which?"
    assert sorted((await answered(desk, "R")).values["seen"]) == ["L", "R"]
    assert ran == ["left"]


async def test_a_running_run_is_stopped_and_what_it_asks_is_taken_back(open_desk: OpenDesk) -> None:
    gate = Gate()

    async def slow(state: Log) -> Log:
        await gate()
        return {}

    desk = await open_desk({"g": fork(review, slow)})
    async with opened_requests(desk) as opened:
        run = await desk.start("g", {}, by="starter", thread_id="t")
        await gate.closed_on()
        await opened.next()
    cancelled = await desk.cancel("t", run.id, by="boss")
    assert cancelled.status is RunStatus.CANCELLED
    assert (await settled(desk)).status is ThreadStatus.IDLE
    assert gate.cancelled
    assert [r.state.value for r in await listed(desk)] == ["withdrawn"]
    assert await status_of(desk, run.id) is RunStatus.CANCELLED


async def test_a_node_that_does_not_stop_opens_nothing_after_its_run_was_cancelled(
    open_desk: OpenDesk,
) -> None:
    gate = Gate()

    async def stubborn(state: Log) -> Log:
        while not gate.opened.is_set():
            try:
                await gate()
            except asyncio.CancelledError:
                gate.opened.set()
        return {"seen": [interrupt("which?")]}

    desk = await open_desk({"g": chain(stubborn)})
    run = await desk.start("g", {}, by="starter", thread_id="t")
    await gate.closed_on()
    await desk.cancel("t", run.id, by="boss")
    assert (await settled(desk)).status is ThreadStatus.IDLE
    assert [r.state.value for r in await listed(desk)] in ([], ["withdrawn"])
    assert await status_of(desk, run.id) is RunStatus.CANCELLED


async def test_a_thread_of_the_machine_that_outlives_its_cancelled_run_has_no_effect(
    open_desk: OpenDesk,
) -> None:
    """A sync node cannot be stopped; it goes on, and is not listened to any more."""
    reached, go, ended = threading.Event(), threading.Event(), threading.Event()
    happened: list[str] = []
    raised: list[Exception] = []

    def sync(state: Log) -> Log:
        reached.set()
        go.wait(TIMEOUT)
        try:
            once("pay", happened.append)
        except Exception as error:
            raised.append(error)
            raise
        finally:
            ended.set()
        return {}

    desk = await open_desk({"g": chain(sync)})
    run = await desk.start("g", {}, by="starter", thread_id="t")
    await asyncio.to_thread(reached.wait, TIMEOUT)
    await desk.cancel("t", run.id, by="boss")
    assert (await settled(desk)).status is ThreadStatus.IDLE
    go.set()
    await asyncio.to_thread(ended.wait, TIMEOUT)
    assert happened == []
    assert isinstance(raised[0], LeaseLost)


async def test_a_queued_run_is_cancelled_without_a_trace(open_desk: OpenDesk) -> None:
    gate = Gate()
    ran: list[Any] = []

    async def slow(state: Log) -> Log:
        ran.append(state.get("amount"))
        await gate()
        return {}

    desk = await open_desk({"g": chain(slow)})
    first = await desk.start("g", {"amount": 1}, by="starter", thread_id="t")
    await gate.closed_on()
    second = await desk.start("g", {"amount": 2}, by="starter", thread_id="t")
    third = await desk.start("g", {"amount": 3}, by="starter", thread_id="t")
    await desk.cancel("t", second.id, by="boss")
    gate.opened.set()
    assert (await settled(desk)).status is ThreadStatus.IDLE
    assert ran == [1, 3]
    statuses = [await status_of(desk, run.id) for run in (first, second, third)]
    assert [status.value for status in statuses] == ["succeeded", "cancelled", "succeeded"]


async def test_cancelling_a_run_leaves_the_one_behind_it_alone(open_desk: OpenDesk) -> None:
    for round_ in range(8):
        gate = Gate()

        async def slow(state: Log, gate: Gate = gate) -> Log:
            if state.get("amount") == 1:
                await gate()
            return {}

        desk = await open_desk({"g": chain(slow)})
        thread_id = f"t{round_}"
        first = await desk.start("g", {"amount": 1}, by="starter", thread_id=thread_id)
        await gate.closed_on()
        second = await desk.start("g", {"amount": 2}, by="starter", thread_id=thread_id)
        await desk.cancel(thread_id, first.id, by="boss")
        await settled(desk, thread_id)
        run = await read.get_run(desk.office, thread_id, second.id)
        assert run.status is RunStatus.SUCCEEDED
        await desk.__aexit__(None, None, None)


async def test_word_of_a_cancelled_run_that_comes_late_does_not_stop_the_next_one(
    open_desk: OpenDesk,
) -> None:
    gates = {1: Gate(), 2: Gate()}

    async def slow(state: Log) -> Log:
        await gates[state["amount"]]()
        return {}

    desk = await open_desk({"g": chain(slow)})
    first = await desk.start("g", {"amount": 1}, by="starter", thread_id="t")
    await gates[1].closed_on()
    second = await desk.start("g", {"amount": 2}, by="starter", thread_id="t")
    await desk.cancel("t", first.id, by="boss")
    await gates[2].closed_on()
    await desk.engine._check_wanted("t", first.id)
    gates[2].opened.set()
    await settled(desk)
    assert await status_of(desk, second.id) is RunStatus.SUCCEEDED
    assert not gates[2].cancelled


async def test_a_thread_whose_questions_are_taken_back_rests_when_another_is_answered(
    open_desk: OpenDesk,
) -> None:
    gate = Gate()

    def left(state: Log) -> Log:
        return {"seen": [interrupt("left?")]}

    async def slow(state: Log) -> Log:
        await gate()
        return {}

    desk = await open_desk({"g": fork(left, review, slow)})
    async with opened_requests(desk) as opened:
        run = await desk.start("g", {}, by="starter", thread_id="t")
        await opened.next()
        await opened.next()
    request = (await by_title(desk))["left?"]
    await desk.decide(request.id, "respond", values={"value": "L"}, by="jane")
    [resuming] = await rows(desk, "SELECT id FROM runs WHERE kind = 'resume'")
    for each in (str(resuming["id"]), run.id):
        await desk.cancel("t", each, by="boss")
    await settled(desk)
    gate.opened.set()
    await desk.retry(request.id, by="jane")
    assert (await settled(desk)).status is ThreadStatus.IDLE
    states = {r.title: (r.state.value, r.delivery.value) for r in await listed(desk)}
    assert states == {"left?": ("decided", "delivered"), "which?": ("withdrawn", "none")}
    await desk.start("g", None, by="boss", thread_id="t")
    await settled(desk)
    thread = await answered(desk, "R")
    assert (thread.status, sorted(thread.values["seen"])) == (ThreadStatus.IDLE, ["L", "R"])


async def test_a_run_that_is_cancelled_at_any_moment_leaves_its_thread_usable(
    open_desk: OpenDesk,
) -> None:
    """Cancel at every turn of the event loop that a resume takes, from its first to its last."""
    desk = await open_desk({"g": chain(review)})
    for turns in range(0, 120, 3):
        thread_id = f"t{turns}"
        await started(desk, thread_id=thread_id)
        request = await the_open(desk, thread_id)
        await desk.decide(request.id, "respond", values={"value": 1}, by="jane")
        [row] = await rows(
            desk,
            "SELECT id FROM runs WHERE thread_id = %s AND kind = 'resume'",
            thread_id,
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        with suppress(Conflict):
            await desk.cancel(thread_id, str(row["id"]), by="boss")
        thread = await settled(desk, thread_id)
        assert thread.status is ThreadStatus.IDLE
        [request] = await listed(desk, thread_id=thread_id)
        assert request.delivery in ("delivered", "failed"), turns
        if request.delivery == "failed":
            assert "cancelled" in str(request.delivery_error)
            await desk.retry(request.id, by="jane")
            assert (await settled(desk, thread_id)).values["seen"] == [1]


async def test_an_answer_whose_queued_delivery_is_cancelled_can_be_retried(
    open_desk: OpenDesk,
) -> None:
    gate = Gate()

    async def slow(state: Log) -> Log:
        await gate()
        return {}

    desk = await open_desk({"g": fork(review, slow)})
    async with opened_requests(desk) as opened:
        await desk.start("g", {}, by="starter", thread_id="t")
        await opened.next()
    request = await the_open(desk)
    await desk.decide(request.id, "respond", values={"value": "this"}, by="jane")
    [row] = await rows(desk, "SELECT id FROM runs WHERE kind = 'resume'")
    await desk.cancel("t", str(row["id"]), by="boss")
    gate.opened.set()
    await settled(desk)
    request = await desk.request(request.id)
    assert (request.state, request.delivery) == ("decided", "failed")
    assert "cancelled" in str(request.delivery_error)
    await desk.retry(request.id, by="jane")
    assert (await settled(desk)).values["seen"] == ["this"]


async def test_unknown_threads_and_runs_are_not_found(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    with pytest.raises(ThreadNotFound):
        await desk.cancel("nowhere", new_id(), by="boss")
    await started(desk)
    for unknown in (new_id(), "no id"):
        with pytest.raises(RunNotFound):
            await desk.cancel("t", unknown, by="boss")
