"""`once()` on a desk: an effect happens once per thread and key, however often its node runs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from langgraph.types import interrupt

from signoff import once
from signoff.db.pool import Database
from signoff.domain.errors import LeaseLost
from signoff.domain.thread import Lease, ThreadStatus
from signoff.graph.effects import EffectLog
from tests.conftest import OpenDesk
from tests.helpers import (
    TIMEOUT,
    Log,
    answered,
    chain,
    events,
    fork,
    listed,
    rows,
    settled,
    started,
)

WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Effects:
    """Counts what happens to the world, and under which idempotency keys."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def happen(self, idempotency_key: str) -> str:
        self.keys.append(idempotency_key)
        return f"receipt {len(self.keys)}"

    async def happen_later(self, idempotency_key: str) -> str:
        await asyncio.sleep(0)
        return self.happen(idempotency_key)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_effect_happens_once_over_the_executions_of_its_node(
    open_desk: OpenDesk, kind: str
) -> None:
    effects = Effects()

    def sync(state: Log) -> Log:
        receipt = once("pay", effects.happen)
        return {"seen": [receipt, interrupt("first?"), once("pay", effects.happen)]}

    async def later(state: Log) -> Log:
        receipt = await once("pay", effects.happen_later)
        return {"seen": [receipt, interrupt("first?"), await once("pay", effects.happen)]}

    desk = await open_desk({"g": chain(sync if kind == "sync" else later)})
    await started(desk)
    thread = await answered(desk, "yes")
    assert thread.values["seen"] == ["receipt 1", "yes", "receipt 1"]
    assert len(effects.keys) == 1


async def test_each_thread_and_key_has_its_own_effect_and_idempotency_key(
    open_desk: OpenDesk,
) -> None:
    effects = Effects()

    async def node(state: Log) -> Log:
        return {"seen": [await once(key, effects.happen) for key in ("a", "b", "a")]}

    desk = await open_desk({"g": chain(node)})
    first = await started(desk, thread_id="t1")
    await started(desk, thread_id="t2")
    assert first.values["seen"][0] == first.values["seen"][2] != first.values["seen"][1]
    assert len(set(effects.keys)) == len(effects.keys) == 4


async def test_parallel_branches_share_the_effect_of_a_key(open_desk: OpenDesk) -> None:
    effects = Effects()
    gate = asyncio.Event()

    async def slowly(idempotency_key: str) -> str:
        gate.set()
        await asyncio.sleep(0)
        return effects.happen(idempotency_key)

    async def left(state: Log) -> Log:
        return {"seen": [await once("pay", slowly)]}

    async def right(state: Log) -> Log:
        await gate.wait()
        return {"seen": [await once("pay", slowly)]}

    def sync(state: Log) -> Log:
        return {"seen": [once("pay", effects.happen)]}

    desk = await open_desk({"g": fork(left, right, sync)})
    thread = await started(desk)
    assert thread.values["seen"] == ["receipt 1"] * 3
    assert len(effects.keys) == 1


async def test_an_effect_that_raised_happens_again_under_the_same_idempotency_key(
    open_desk: OpenDesk,
) -> None:
    keys: list[str] = []

    def flaky(idempotency_key: str) -> str:
        keys.append(idempotency_key)
        if len(keys) == 1:
            raise ConnectionError("no line")
        return "receipt"

    def node(state: Log) -> Log:
        answer = interrupt("which?")
        return {"seen": [answer, once("pay", flaky)]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    assert (await answered(desk, "yes")).status is ThreadStatus.ERROR
    [request] = await listed(desk)
    await desk.retry(request.id, by="jane")
    assert (await settled(desk)).values["seen"] == ["yes", "receipt"]
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_an_effect_is_noted_once_the_database_is_back(
    open_desk: OpenDesk, database: Database
) -> None:
    """PostgreSQL goes away while the effect happens: it did happen, and does not have to again."""
    effects = Effects()

    async def effect(idempotency_key: str) -> str:
        receipt = effects.happen(idempotency_key)
        async with database.connection() as conn:
            await conn.execute(
                """
                SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()
                   AND application_name LIKE 'signoff%'
                """
            )
        return receipt

    async def node(state: Log) -> Log:
        return {"seen": [await once("pay", effect)]}

    desk = await open_desk({"g": chain(node)})
    thread = await started(desk)
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["receipt 1"])
    assert len(effects.keys) == 1


async def test_what_an_effect_returned_comes_back_as_it_was(open_desk: OpenDesk) -> None:
    given: list[Any] = []

    async def node(state: Log) -> Log:
        given.append(await once("pay", lambda: {"at": WHEN, "sum": Decimal("1.10"), "data": b"\0"}))
        return {"seen": [interrupt("which?")]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    await answered(desk, "yes")
    assert given == [{"at": WHEN, "sum": Decimal("1.10"), "data": b"\0"}] * 2


async def test_a_worker_that_lost_its_thread_runs_no_effect(open_desk: OpenDesk) -> None:
    effects = Effects()
    held, go = asyncio.Event(), asyncio.Event()
    raised: list[BaseException] = []

    async def node(state: Log) -> Log:
        held.set()
        await go.wait()
        try:
            await once("pay", effects.happen)
        except LeaseLost as error:
            raised.append(error)
            raise
        return {}

    desk = await open_desk({"g": chain(node)})
    await desk.start("g", {}, by="starter", thread_id="t")
    await asyncio.wait_for(held.wait(), TIMEOUT)
    await rows(desk, "UPDATE threads SET epoch = epoch + 1, leased_by = 0")
    go.set()
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == "thread t"]
    await asyncio.wait_for(asyncio.wait([task]), TIMEOUT)
    assert raised
    assert effects.keys == []
    assert await rows(desk, "SELECT * FROM effects") == []
    assert await events(desk) == ["run.created"]


async def test_the_result_of_a_worker_that_lost_its_thread_meanwhile_is_not_kept(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(nothing)}, work=False)
    await desk.start("g", {}, by="starter", thread_id="t")
    serde = desk.checkpointer("g").serde
    database = desk.office.database
    [row] = await rows(desk, "SELECT epoch FROM threads")
    stale = EffectLog(database, Lease("t", row["epoch"]), serde)
    begun = await stale.begin("pay")
    assert not begun.done
    await rows(desk, "UPDATE threads SET epoch = epoch + 1")
    with pytest.raises(LeaseLost):
        await stale.complete("pay", "stale")
    successor = EffectLog(database, Lease("t", row["epoch"] + 1), serde)
    again = await successor.begin("pay")
    assert (again.done, again.idempotency_key) == (False, begun.idempotency_key)
    await successor.complete("pay", "receipt")
    assert (await successor.begin("pay")).result == "receipt"


def nothing(state: Log) -> Log:
    return {}
