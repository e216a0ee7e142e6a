"""One writer per thread: who has lost the lease writes nothing any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.types import interrupt

from signoff.db import workers
from signoff.domain.thread import ThreadStatus
from tests.conftest import OpenDesk
from tests.helpers import TIMEOUT, Log, chain, listed, rows, settled, started

STORED = (
    "SELECT thread_id, checkpoint_ns, checkpoint_id, metadata FROM checkpoints",
    "SELECT thread_id, checkpoint_ns, channel, version FROM checkpoint_blobs",
    "SELECT thread_id, checkpoint_id, task_id, idx, channel FROM checkpoint_writes",
    "SELECT * FROM requests",
    "SELECT * FROM audit",
    "SELECT * FROM effects",
    "SELECT * FROM threads",
    "SELECT * FROM runs",
)


async def stored(desk: Any) -> list[list[dict[str, Any]]]:
    """All that the database knows of threads."""
    return [await rows(desk, f"{select} ORDER BY 1, 2, 3") for select in STORED]


class Relay:
    """Two nodes: the first waits where its lease can be taken away, the second asks something."""

    def __init__(self, *, asks: bool) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        self.asks = asks
        self.ran: list[str] = []

    async def first(self, state: Log) -> Log:
        self.ran.append("first")
        self.reached.set()
        await self.go.wait()
        if self.asks:
            return {"seen": [interrupt("which?")]}
        return {"seen": ["first"]}

    async def second(self, state: Log) -> Log:
        self.ran.append("second")
        return {"seen": ["second"]}

    def graph(self) -> Any:
        return chain(self.first, self.second)

    async def waits(self) -> None:
        await asyncio.wait_for(self.reached.wait(), TIMEOUT)

    async def ends(self) -> None:
        """Let it go on, and return once this process is done with the thread.

        It may be done already: a worker that hears of the other one's end stops by itself.
        """
        tasks = [task for task in asyncio.all_tasks() if task.get_name() == "thread t"]
        self.go.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), TIMEOUT)


@pytest.mark.parametrize("asks", [True, False], ids=["pausing", "going on"])
async def test_a_run_that_lost_its_lease_leaves_nothing_behind(
    open_desk: OpenDesk, asks: bool
) -> None:
    relay = Relay(asks=asks)
    desk = await open_desk({"g": relay.graph()})
    await desk.start("g", {}, by="starter", thread_id="t")
    await relay.waits()
    await rows(desk, "UPDATE threads SET epoch = epoch + 1")
    before = await stored(desk)
    await relay.ends()
    assert await stored(desk) == before
    assert await listed(desk) == []


async def test_a_resume_that_lost_its_lease_delivers_nothing(open_desk: OpenDesk) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def node(state: Log) -> Log:
        answer = interrupt("which?")
        reached.set()
        await go.wait()
        return {"seen": [answer]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    [request] = await listed(desk)
    await desk.decide(request.id, "respond", values={"value": "this"}, by="jane")
    await asyncio.wait_for(reached.wait(), TIMEOUT)
    await rows(desk, "UPDATE threads SET epoch = epoch + 1, leased_by = 4711")
    before = await stored(desk)
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == "thread t"]
    go.set()
    await asyncio.wait_for(asyncio.wait([task]), TIMEOUT)
    assert await stored(desk) == before
    [request] = await listed(desk)
    assert (request.state, request.delivery) == ("decided", "pending")


async def test_a_worker_that_was_taken_for_dead_writes_nothing_after_the_other(
    open_desk: OpenDesk,
) -> None:
    """It stops renewing in the middle of its node; another does all of the work anew."""
    relay = Relay(asks=False)
    slow = await open_desk({"g": relay.graph()}, takeover="1s")
    await slow.start("g", {}, by="starter", thread_id="t")
    await relay.waits()
    slow.engine._heartbeat.stop()
    quick = Relay(asks=False)
    quick.go.set()
    other = await open_desk({"g": quick.graph()}, takeover="1s")
    thread = await settled(other)
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["first", "second"])
    assert quick.ran == ["first", "second"]
    before = await stored(other)
    await relay.ends()
    assert await stored(other) == before


async def test_the_sessions_of_a_worker_that_is_stopped_are_ended_with_their_locks(
    open_desk: OpenDesk,
) -> None:
    """As a process is that was stopped between two statements of a transaction."""
    desk = await open_desk({"g": Relay(asks=False).graph()}, work=False)
    await desk.start("g", {}, by="starter", thread_id="t")
    stopped = await open_desk({"g": Relay(asks=False).graph()}, work=False)
    async with stopped.office.database.connection() as conn:
        [worker] = [
            row
            async for row in await conn.execute(
                "INSERT INTO workers (instance, alive_until) VALUES (%s, now()) RETURNING id",
                (stopped.office.database.instance,),
            )
        ]
    await rows(desk, "UPDATE threads SET leased_by = %s", worker["id"])
    conn = await stopped.office.database.connect()
    await conn.execute("BEGIN")
    await conn.execute("SELECT 1 FROM threads FOR NO KEY UPDATE")
    async with desk.office.database.transaction() as mine:
        dead = await workers.lock_dead(mine, but=None)
        assert dead == {worker["id"]: stopped.office.database.instance}
        await workers.disconnect(mine, list(dead.values()))
    with pytest.raises(Exception, match="terminat"):
        await conn.execute("SELECT 1")
    await rows(desk, "UPDATE threads SET updated_at = now()")  # nobody holds a lock on it
