"""Many deadlines at once: each is kept once, by however many, whatever goes wrong in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from structlog.testing import capture_logs

from signoff import Signoff, ask
from signoff.config import Settings
from signoff.db import due, notices
from signoff.domain.request import Request
from signoff.service import keep_time as duty
from signoff.service.keep_time import keep_time
from tests.acceptance.ledger import Ledger
from tests.conftest import Clock, OpenDesk
from tests.helpers import time_kept

MANY = 40
TIMEOUT = 30.0


class State(TypedDict, total=False):
    got: dict[str, Any]


def review(_state: State) -> State:
    decision = ask("Sign?", remind="30m", within="1h", otherwise="reject")
    return {"got": {"action": decision.action, "timed_out": decision.timed_out}}


REVIEWS = StateGraph(State).add_node("review", review).add_edge(START, "review")


def name(number: int) -> str:
    """A thread's name, so long that forty of them do not fit into one notification."""
    return f"t{number:03}-" + "x" * 240


@pytest.fixture
async def requests(database_url: str, tmp_path: Path, clock: Clock) -> list[Request]:
    """Requests that fall due at the same moment; nobody works on their threads."""
    async with Signoff(
        database_url, {"g": REVIEWS}, Settings(data_dir=tmp_path), now=clock
    ) as desk:
        names = [name(number) for number in range(MANY)]
        for each in names:
            await desk.start("g", {}, by="sales", thread_id=each)
        await asyncio.gather(*(desk.wait(each, timeout=TIMEOUT) for each in names))
        return list((await desk.requests(limit=200)).items)


@pytest.fixture
async def keepers(
    requests: list[Request],
    open_desk: OpenDesk,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Signoff]:
    """Processes that keep deadlines, a few at a time."""
    monkeypatch.setattr(duty, "BATCH", 7)
    assert len(requests) == MANY
    return [await open_desk({"g": REVIEWS}, work=False, now=clock) for _ in range(3)]


@pytest.fixture
def ledger(keepers: list[Signoff], database_url: str) -> Iterator[Ledger]:
    assert keepers
    with Ledger(database_url) as opened:
        yield opened


def check_each_closed_once(ledger: Ledger) -> None:
    """Each request has all that belongs to its closing, and no more of it."""
    told = ledger.rows(
        """
        SELECT array_agg(event ORDER BY seq) AS events FROM audit
         WHERE request_id IS NOT NULL GROUP BY request_id
        """
    )
    assert [each["events"][-1] for each in told] == ["request.expired"] * MANY
    assert {each["events"].count("request.expired") for each in told} == {1}
    closed = ledger.rows("SELECT state, delivery, outcome, wake_at FROM requests")
    assert {(each["state"], each["delivery"], each["wake_at"]) for each in closed} == {
        ("expired", "pending", None)
    }
    assert all(each["outcome"]["timed_out"] for each in closed)
    for counted in (
        "SELECT count(*) AS n FROM runs WHERE kind = 'resume' GROUP BY thread_id",
        "SELECT count(*) AS n FROM procrastinate_jobs WHERE status = 'todo' GROUP BY args",
    ):
        assert [each["n"] for each in ledger.rows(counted)] == [1] * MANY
    assert all(ledger.chain_is_whole(name(number)) for number in range(MANY))


async def check_each_delivered_once(ledger: Ledger, open_desk: OpenDesk, clock: Clock) -> None:
    """Once somebody works, each node gets its outcome."""
    desk = await open_desk({"g": REVIEWS}, now=clock)
    for number in range(MANY):
        thread = await desk.wait(name(number), timeout=TIMEOUT)
        assert thread.values == {"got": {"action": "reject", "timed_out": True}}
    delivered = "SELECT count(*) AS n FROM audit WHERE event = 'request.delivered'"
    assert ledger.rows(delivered) == [{"n": MANY}]


async def test_what_falls_due_at_once_is_closed_once_by_however_many(
    keepers: list[Signoff], ledger: Ledger, open_desk: OpenDesk, clock: Clock
) -> None:
    async with (
        keepers[0].notices.of_thread(name(0)) as first,
        keepers[1].notices.of_thread(name(MANY - 1)) as last,
    ):
        clock.forward(timedelta(minutes=30))
        assert sum(await asyncio.gather(*(keep_time(desk.office) for desk in keepers))) == MANY
        assert await keep_time(keepers[0].office) == 0
        for told in (first, last):
            await asyncio.wait_for(told.wait(), TIMEOUT)
    reminded = "SELECT count(*) AS n FROM audit WHERE event = 'request.reminded'"
    assert ledger.rows(reminded) == [{"n": MANY}]
    clock.forward(timedelta(minutes=30))
    assert sum(await asyncio.gather(*(keep_time(desk.office) for desk in keepers))) == MANY
    check_each_closed_once(ledger)
    await check_each_delivered_once(ledger, open_desk, clock)


async def test_a_duty_that_dies_in_the_middle_loses_nothing_and_doubles_nothing(
    keepers: list[Signoff],
    ledger: Ledger,
    open_desk: OpenDesk,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock.forward(timedelta(hours=1))
    for module, step, call in ((due, "read", 3), (due, "keep", 3), (notices, "threads_changed", 2)):
        with monkeypatch.context() as patch:
            keeping = asyncio.create_task(keep_time(keepers[0].office))
            patch.setattr(module, step, killing(keeping, getattr(module, step), call))
            with pytest.raises(asyncio.CancelledError):
                await keeping
        [closed] = ledger.rows("SELECT count(*) AS n FROM requests WHERE state = 'expired'")
        assert 0 < closed["n"] < MANY
    await asyncio.gather(*(time_kept(desk) for desk in keepers))
    check_each_closed_once(ledger)
    await check_each_delivered_once(ledger, open_desk, clock)


def killing(
    task: asyncio.Task[Any], act: Callable[..., Awaitable[Any]], at_call: int
) -> Callable[..., Awaitable[Any]]:
    """Does as asked, until one call, which a task does not survive."""
    calls = 0

    async def wrapped(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at_call:
            task.cancel()
            await asyncio.Event().wait()
        return await act(*arguments)

    return wrapped


async def test_what_cannot_be_done_is_put_off_and_holds_nothing_up(
    keepers: list[Signoff],
    requests: list[Request],
    ledger: Ledger,
    open_desk: OpenDesk,
    clock: Clock,
) -> None:
    unreadable, unwritable = requests[5].id, requests[23].id
    [timetable] = ledger.rows("SELECT timetable FROM requests WHERE id = %s", unreadable)
    ledger.rows("UPDATE requests SET timetable = '[{}]' WHERE id = %s", unreadable)
    ledger.rows(
        f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'the disk has a hole'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE OF state ON requests FOR EACH ROW
            WHEN (OLD.id = '{unwritable}') EXECUTE FUNCTION refuse();
        """
    )
    clock.forward(timedelta(hours=1))
    with capture_logs() as logs:
        await asyncio.gather(*(time_kept(desk) for desk in keepers))
    assert {each["request_id"] for each in logs if each["log_level"] == "error"} == {
        unreadable,
        unwritable,
    }
    left = ledger.rows("SELECT id, wake_at, remark FROM requests WHERE state = 'open'")
    assert {str(each["id"]) for each in left} == {unreadable, unwritable}
    assert {each["wake_at"] - clock() for each in left} == {timedelta(minutes=10)}
    assert all("Something that was due could not be done" in each["remark"] for each in left)
    assert "the disk has a hole" in next(
        each["remark"] for each in left if str(each["id"]) == unwritable
    )

    ledger.rows("DROP FUNCTION refuse() CASCADE")
    ledger.rows(
        "UPDATE requests SET timetable = %s::text::jsonb WHERE id = %s",
        json.dumps(timetable["timetable"]),
        unreadable,
    )
    clock.forward(timedelta(minutes=10))
    await time_kept(keepers[0])
    check_each_closed_once(ledger)
    await check_each_delivered_once(ledger, open_desk, clock)


async def test_what_somebody_is_deciding_holds_nothing_up(
    keepers: list[Signoff], requests: list[Request], ledger: Ledger, clock: Clock
) -> None:
    clock.forward(timedelta(hours=1))
    with ledger.transaction() as conn:
        conn.execute("SELECT FROM threads WHERE id = %s FOR NO KEY UPDATE", [name(3)])
        assert await keep_time(keepers[0].office) == MANY - 1
        assert await keep_time(keepers[0].office) == 0
    assert await keep_time(keepers[0].office) == 1
    check_each_closed_once(ledger)
