"""Workers that die, are taken for dead, or are told to stop: others go on, and nothing is lost."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest
from langgraph.types import interrupt

from signoff import once
from signoff.db.pool import Database
from signoff.domain.run import RunStatus
from signoff.domain.thread import ThreadStatus
from signoff.service import read
from signoff.stopping import stopped
from signoff.worker import engine
from tests.conftest import OpenDesk
from tests.helpers import (
    TIMEOUT,
    Log,
    chain,
    eventually,
    listed,
    rows,
    settled,
    started,
    the_open,
)

QUICK = {"takeover": "0.6s"}


class Node:
    """A node that can be made to wait, and counts how often it ran to its end."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.ended = 0

    def hold(self) -> None:
        self.go.clear()
        self.reached.clear()

    async def __call__(self, state: Log) -> Log:
        self.reached.set()
        await self.go.wait()
        self.ended += 1
        return {"seen": [self.__name__]}


class Review(Node):
    """A node that asks, and may wait before or after it has its answer."""

    def __init__(self) -> None:
        super().__init__("review")
        self.held = "nowhere"

    async def __call__(self, state: Log) -> Log:
        if self.held == "before":
            self.reached.set()
            await self.go.wait()
        answer = interrupt("which?")
        self.reached.set()
        if self.held == "after":
            await self.go.wait()
        await once("effect", lambda: None)
        self.ended += 1
        return {"seen": [answer]}


def dies(desk: Any) -> None:
    """Have a desk's worker be dead: it neither renews nor works nor looks at anything any more."""
    worker = desk.engine
    worker._heartbeat.stop()
    worker._closing = True
    desk.office.hand = None
    for duty in worker._duties:
        duty._task.cancel()
    worker._jobs.stop()


async def reached(node: Node) -> None:
    await asyncio.wait_for(node.reached.wait(), TIMEOUT)


async def test_a_run_whose_worker_died_before_it_began_is_begun_by_another(
    open_desk: OpenDesk,
) -> None:
    node = Node("node")
    desk = await open_desk({"g": chain(node)}, work=False)
    await rows(
        desk,
        "INSERT INTO workers (instance, alive_until) VALUES ('dead', now() - interval '1 second')",
    )
    run = await desk.start("g", {}, by="starter", thread_id="t")
    await rows(desk, "UPDATE threads SET leased_by = 1, epoch = epoch + 1")
    await rows(desk, "DELETE FROM procrastinate_jobs")
    await open_desk({"g": chain(node)}, **QUICK)
    assert (await settled(desk)).values["seen"] == ["node"]
    assert (await read.get_run(desk.office, "t", run.id)).status is RunStatus.SUCCEEDED


async def test_a_node_whose_worker_died_is_run_again_and_the_one_before_it_is_not(
    open_desk: OpenDesk,
) -> None:
    first, second = Node("first"), Node("second")
    second.hold()
    desk = await open_desk({"g": chain(first, second)}, **QUICK)
    run = await desk.start("g", {}, by="starter", thread_id="t")
    await reached(second)
    dies(desk)
    again = Node("second")
    other = await open_desk({"g": chain(first, again)}, **QUICK)
    thread = await settled(other)
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["first", "second"])
    assert (first.ended, second.ended, again.ended) == (1, 0, 1)
    ended = await read.get_run(other.office, "t", run.id)
    assert (ended.status, ended.attempt) == (RunStatus.SUCCEEDED, 2)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_answer_whose_delivery_died_with_its_worker_is_delivered_by_another(
    open_desk: OpenDesk, moment: str
) -> None:
    review, finish = Review(), Node("finish")
    desk = await open_desk({"g": chain(review, finish)}, **QUICK)
    await started(desk)
    review.hold()
    review.held = moment
    request = await the_open(desk)
    await desk.decide(request.id, "respond", values={"value": "this"}, by="jane")
    await reached(review)
    dies(desk)
    again, end = Review(), Node("finish")
    other = await open_desk({"g": chain(again, end)}, **QUICK)
    thread = await settled(other)
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["this", "finish"])
    assert (review.ended, again.ended, end.ended) == (0, 1, 1)
    assert [r.delivery.value for r in await listed(other)] == ["delivered"]
    effects = await rows(other, "SELECT done_at IS NOT NULL AS done FROM effects")
    assert effects == [{"done": True}]


async def test_a_decision_that_was_accepted_and_not_yet_delivered_is_delivered_by_another(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(Review())}, **QUICK)
    await started(desk)
    request = await the_open(desk)
    dies(desk)
    await desk.decide(request.id, "respond", values={"value": "this"}, by="jane")
    await rows(desk, "DELETE FROM procrastinate_jobs")  # as if a worker had died with the job
    other = await open_desk({"g": chain(Review())}, **QUICK)
    assert (await settled(other)).values["seen"] == ["this"]


async def test_the_node_after_the_decision_is_run_again_and_the_answer_is_not_given_again(
    open_desk: OpenDesk,
) -> None:
    review, finish = Review(), Node("finish")
    desk = await open_desk({"g": chain(review, finish)}, **QUICK)
    await started(desk)
    finish.hold()
    request = await the_open(desk)
    await desk.decide(request.id, "respond", values={"value": "this"}, by="jane")
    await reached(finish)
    dies(desk)
    end = Node("finish")
    other = await open_desk({"g": chain(review, end)}, **QUICK)
    thread = await settled(other)
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["this", "finish"])
    assert (review.ended, finish.ended, end.ended) == (1, 0, 1)


async def test_a_worker_that_was_taken_for_dead_begins_anew_and_works_on(
    open_desk: OpenDesk,
) -> None:
    node = Node("node")
    desk = await open_desk({"g": chain(node)}, **QUICK)
    before = desk.engine.reach_out()
    node.hold()
    await desk.start("g", {}, by="starter", thread_id="t")
    await reached(node)
    # As another worker does it that thinks this one dead.
    await rows(desk, "UPDATE threads SET leased_by = NULL, epoch = epoch + 1")
    await rows(desk, "DELETE FROM workers")

    async def reborn() -> bool:
        return desk.engine.reach_out() not in (None, before)

    await eventually(reborn)
    node.go.set()
    assert (await settled(desk)).values["seen"] == ["node"]
    assert (await started(desk, thread_id="t2")).values["seen"] == ["node"]
    workers = await rows(desk, "SELECT id FROM workers")
    assert workers == [{"id": desk.engine.reach_out()}]


async def test_a_thread_given_to_a_worker_that_was_removed_meanwhile_is_rescued(
    open_desk: OpenDesk,
) -> None:
    node = Node("node")
    desk = await open_desk({"g": chain(node)}, work=False)
    await desk.start("g", {}, by="starter", thread_id="t")
    await rows(desk, "UPDATE threads SET leased_by = 4711, epoch = epoch + 1")
    await rows(desk, "DELETE FROM procrastinate_jobs")
    await open_desk({"g": chain(node)}, **QUICK)
    assert (await settled(desk)).values["seen"] == ["node"]


async def test_a_worker_notices_a_thread_that_it_was_given_and_not_told_of(
    open_desk: OpenDesk,
) -> None:
    """Whoever started the run was stopped between the commit and handing it over."""
    node = Node("node")
    desk = await open_desk({"g": chain(node)}, **QUICK)
    take, desk.engine.take = desk.engine.take, lambda _given: None
    await desk.start("g", {}, by="starter", thread_id="t")
    desk.engine.take = take
    assert (await settled(desk)).values["seen"] == ["node"]


async def test_a_worker_does_not_bury_itself(open_desk: OpenDesk) -> None:
    """After a machine has slept, its renewals are late for the clock of the database."""
    node = Node("node")
    desk = await open_desk({"g": chain(node)}, **QUICK)
    node.hold()
    await desk.start("g", {}, by="starter", thread_id="t")
    await reached(node)
    worker = desk.engine.reach_out()
    desk.engine._heartbeat.stop()
    await rows(desk, "UPDATE workers SET alive_until = now() - interval '1 minute'")
    await desk.engine._duties[0]._act()
    node.go.set()
    assert (await settled(desk)).values["seen"] == ["node"]
    assert (node.ended, desk.engine.reach_out()) == (1, worker)


async def test_a_worker_that_is_told_to_stop_lets_its_runs_end(open_desk: OpenDesk) -> None:
    node = Node("node")
    node.hold()
    desk = await open_desk({"g": chain(node)}, shutdown_grace="10s")
    watcher = await open_desk({"g": chain(node)}, work=False)
    await desk.start("g", {}, by="starter", thread_id="t")
    await reached(node)
    stopping = asyncio.create_task(desk.__aexit__(None, None, None))
    await asyncio.sleep(0)
    node.go.set()
    await asyncio.wait_for(stopping, TIMEOUT)
    assert (await watcher.thread("t")).values["seen"] == ["node"]
    assert await rows(watcher, "SELECT * FROM workers") == []


async def test_a_worker_that_is_told_to_stop_hands_back_what_takes_too_long(
    open_desk: OpenDesk,
) -> None:
    node, again = Node("node"), Node("node")
    node.hold()
    desk = await open_desk({"g": chain(node)}, shutdown_grace="0.05s")
    other = await open_desk({"g": chain(again)})
    await desk.start("g", {}, by="starter", thread_id="t")
    await reached(node)
    await asyncio.wait_for(desk.__aexit__(None, None, None), TIMEOUT)
    assert (await settled(other)).values["seen"] == ["node"]
    assert (node.ended, again.ended) == (0, 1)


async def test_a_node_that_cannot_be_stopped_does_not_keep_its_worker_from_stopping(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 0.1)
    reached, go = asyncio.Event(), asyncio.Event()

    async def stubborn(state: Log) -> Log:
        reached.set()
        while not go.is_set():
            with suppress(asyncio.CancelledError):
                await go.wait()
        return {"seen": ["stubborn"]}

    desk = await open_desk({"g": chain(stubborn)}, shutdown_grace="0.05s")
    await desk.start("g", {}, by="starter", thread_id="t")
    await asyncio.wait_for(reached.wait(), TIMEOUT)
    await asyncio.wait_for(desk.__aexit__(None, None, None), TIMEOUT)
    go.set()
    other = await open_desk({"g": chain(stubborn)})
    assert (await settled(other)).values["seen"] == ["stubborn"]


async def test_a_task_is_cancelled_until_it_ends() -> None:
    """A cancellation gets lost where something raises its own error instead."""
    swallowed = 0

    async def careless() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(TIMEOUT)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 1:
                    raise

    task = asyncio.create_task(careless())
    await asyncio.sleep(0)
    assert await stopped([task])
    assert (task.cancelled(), swallowed) == (True, 2)


async def test_a_sync_node_that_hangs_does_not_keep_its_worker_from_stopping(
    open_desk: OpenDesk,
) -> None:
    go, began = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def node(state: Log) -> Log:
        loop.call_soon_threadsafe(began.set)
        go.wait(TIMEOUT)
        return {"seen": ["node"]}

    desk = await open_desk({"g": chain(node)}, shutdown_grace="0.05s")
    # More of them than the threads that asyncio has for such things.
    for number in range(40):
        await desk.start("g", {}, by="starter", thread_id=f"t{number}")
    taken = "SELECT 1 FROM threads WHERE leased_by IS NOT NULL HAVING count(*) = 40"
    await eventually(lambda: rows(desk, taken))
    await asyncio.wait_for(began.wait(), TIMEOUT)
    try:
        await asyncio.wait_for(desk.__aexit__(None, None, None), 5)
    finally:
        go.set()
    other = await open_desk({"g": chain(node)})
    for number in range(40):
        assert (await settled(other, f"t{number}")).values["seen"] == ["node"]


async def test_a_run_of_a_graph_that_is_not_served_here_is_passed_on(open_desk: OpenDesk) -> None:
    one, two = Node("one"), Node("two")
    one.hold()
    small = await open_desk({"one": chain(one)})
    both = await open_desk({"one": chain(one), "two": chain(two)}, work=False)
    await small.start("one", {}, by="starter", thread_id="t")
    await reached(one)
    run = await both.start("two", {}, by="starter", thread_id="t")
    one.go.set()
    jobs = "SELECT 1 FROM procrastinate_jobs WHERE queue_name = 'two'"
    await eventually(lambda: rows(both, jobs))
    assert (await both.thread("t")).status is ThreadStatus.BUSY
    await open_desk({"two": chain(two)})
    assert (await settled(both)).values["seen"] == ["one", "two"]
    assert (await read.get_run(both.office, "t", run.id)).status is RunStatus.SUCCEEDED


async def test_all_runs_that_wait_on_a_thread_are_worked_off_in_order(open_desk: OpenDesk) -> None:
    seen: list[Any] = []

    def node(state: Log) -> Log:
        seen.append(state["amount"])
        return {}

    desk = await open_desk({"g": chain(node)}, work=False)
    for number in range(5):
        await desk.start("g", {"amount": number}, by="starter", thread_id="t")
    await open_desk({"g": chain(node)})
    await settled(desk)
    assert seen == [0, 1, 2, 3, 4]
    assert await rows(desk, "SELECT DISTINCT status FROM runs") == [{"status": "succeeded"}]


async def test_a_thread_whose_job_got_lost_is_found(open_desk: OpenDesk) -> None:
    node = Node("node")
    desk = await open_desk({"g": chain(node)}, work=False)
    await desk.start("g", {}, by="starter", thread_id="t")
    await rows(desk, "DELETE FROM procrastinate_jobs")
    await rows(desk, "UPDATE threads SET ready_at = now() - interval '1 minute'")
    await open_desk({"g": chain(node)}, **QUICK)
    assert (await settled(desk)).values["seen"] == ["node"]


async def test_threads_of_a_graph_that_nobody_serves_wait_without_piling_up_jobs(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(Node("node"))}, work=False)
    await desk.start("g", {}, by="starter", thread_id="t")
    await rows(desk, "UPDATE threads SET ready_at = now() - interval '1 minute'")
    other = await open_desk({"h": chain(Node("node"))}, **QUICK)
    for _ in range(3):
        await other.engine._duties[0]._act()
    assert len(await rows(desk, "SELECT * FROM procrastinate_jobs")) == 1


async def test_lost_database_sessions_do_not_fail_a_run(
    open_desk: OpenDesk, database: Database
) -> None:
    """As they are lost when PostgreSQL restarts, right when a node needs one."""
    lost: list[int] = []

    async def node(state: Log) -> Log:
        answer = interrupt("which?")
        if not lost:
            async with database.connection() as conn:
                cursor = await conn.execute(
                    """
                    SELECT pid, pg_terminate_backend(pid, 1000) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()
                       AND application_name LIKE 'signoff%'
                    """
                )
                lost.extend([row["pid"] async for row in cursor])
        await once("effect", lambda: None)
        return {"seen": [answer]}

    last = Node("last")
    desk = await open_desk({"g": chain(node, last)}, **QUICK)
    await started(desk)
    request = await the_open(desk)
    await desk.decide(request.id, "respond", values={"value": "this"}, by="jane")
    thread = await settled(desk)
    assert lost
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["this", "last"])
    assert [r.delivery.value for r in await listed(desk)] == ["delivered"]
    assert await rows(desk, "SELECT status FROM runs WHERE kind = 'resume'") == [
        {"status": "succeeded"}
    ]
