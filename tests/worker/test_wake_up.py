"""No wake-up gets lost: work is begun when it comes, and not when somebody happens to look."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from unittest.mock import AsyncMock

import pytest
from langgraph.types import interrupt

from signoff.domain.thread import ThreadStatus
from signoff.service import wait
from signoff.worker import engine
from signoff.worker.wake import WakeUp
from tests.conftest import OpenDesk
from tests.helpers import TIMEOUT, Log, chain, eventually, rows, settled, the_open

ROUNDS = 300


@pytest.fixture(autouse=True)
def nobody_looks_by_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the nets, whoever misses a wake-up waits for good: the tests' own limit tells."""
    monkeypatch.setattr(engine, "POLL", 600.0)
    monkeypatch.setattr(engine, "rescue", AsyncMock(return_value=0))
    monkeypatch.setattr(wait, "LOOK_AGAIN", 600.0)


def nothing(state: Log) -> Log:
    return {}


def looks_slowly(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a worker be told last when there are no jobs, as if over a slow network."""
    manager = worker.office.jobs.app.job_manager
    fetch_job = manager.fetch_job

    async def fetch_slowly(*arguments: Any, **options: Any) -> Any:
        job = await fetch_job(*arguments, **options)
        if job is None:
            await asyncio.sleep(0.01)
        return job

    monkeypatch.setattr(manager, "fetch_job", fetch_slowly)


async def test_a_client_in_a_loop_never_waits_for_good(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thread is started right as the one before ends, while the worker looks for more."""
    client = await open_desk({"g": chain(nothing)}, work=False)
    worker = await open_desk({"g": chain(nothing)})
    looks_slowly(worker, monkeypatch)
    for number in range(ROUNDS):
        await client.start("g", {}, by="starter", thread_id=f"t{number}")
        await settled(client, f"t{number}")


@pytest.mark.parametrize("capacity", [1, 64])
async def test_many_clients_at_once_never_wait_for_good(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, capacity: int
) -> None:
    client = await open_desk({"g": chain(nothing)}, work=False)
    worker = await open_desk({"g": chain(nothing)}, concurrency=capacity)
    looks_slowly(worker, monkeypatch)

    async def loop(name: int) -> None:
        for number in range(20):
            await client.start("g", {}, by="starter", thread_id=f"t{name}-{number}")
            await settled(client, f"t{name}-{number}")

    await asyncio.gather(*(loop(name) for name in range(8)))


async def test_a_decision_elsewhere_is_delivered_at_once(open_desk: OpenDesk) -> None:
    def review(state: Log) -> Log:
        return {"seen": [interrupt("which?")]}

    client = await open_desk({"g": chain(review)}, work=False)
    await open_desk({"g": chain(review)})
    for number in range(30):
        thread_id = f"t{number}"
        await client.start("g", {}, by="starter", thread_id=thread_id)
        await settled(client, thread_id)
        request = await the_open(client, thread_id)
        await client.decide(request.id, "respond", values={"value": 1}, by="jane")
        assert (await settled(client, thread_id)).status is ThreadStatus.IDLE


async def listeners(desk: Any) -> list[int]:
    found = await rows(
        desk,
        """
        SELECT pid FROM pg_stat_activity
         WHERE datname = current_database() AND query = 'LISTEN signoff'
        """,
    )
    return [row["pid"] for row in found]


async def both_listen_again(desk: Any, before: list[int]) -> bool:
    return len(set(await listeners(desk)) - set(before)) == 2


async def test_a_lost_listening_connection_is_made_again_and_nothing_is_missed(
    open_desk: OpenDesk,
) -> None:
    client = await open_desk({"g": chain(nothing)}, work=False)
    await open_desk({"g": chain(nothing)})
    for number in range(3):
        before = await listeners(client)
        assert len(before) == 2
        await rows(client, "SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", before)
        # Right now nobody listens, neither the worker nor the one who waits.
        await client.start("g", {}, by="starter", thread_id=f"t{number}")
        await settled(client, f"t{number}")
        await eventually(partial(both_listen_again, client, before))


async def test_a_notice_that_nobody_understands_does_not_make_deaf(open_desk: OpenDesk) -> None:
    client = await open_desk({"g": chain(nothing)}, work=False)
    await open_desk({"g": chain(nothing)})
    for odd in (
        "",
        "jobs",
        "jobs[",
        "jobs {",
        'jobs[["g"]]',
        "jobs[3]",
        "threads",
        "cancel x y",
        "?",
    ):
        await rows(client, "SELECT pg_notify('signoff', %s)", odd)
    for number in range(5):
        await client.start("g", {}, by="starter", thread_id=f"t{number}")
        await settled(client, f"t{number}")


async def test_a_wake_up_that_comes_while_nobody_waits_is_kept_for_who_waits_next() -> None:
    wake = WakeUp()
    wake.set()
    wake.clear()  # as Procrastinate's worker does it after it has looked for jobs
    await asyncio.wait_for(wake.wait(), TIMEOUT)
    assert not wake.is_set()
