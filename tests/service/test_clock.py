"""The clock over everything that clocks and years do, as a desk's duty lives through it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict
from zoneinfo import ZoneInfo

import pytest
from langgraph.graph import START, StateGraph

from signoff import Signoff, ask
from signoff.domain.request import Request
from signoff.policies.file import PolicyFile
from tests.conftest import Clock, OpenDesk
from tests.helpers import time_kept

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOMENT = timedelta(microseconds=1)

POLICIES = """
[[policy]]
topic = "office"
calendar = "office"
[[calendar]]
name = "office"
timezone = "Europe/Berlin"
hours = "mon-fri 09:00-17:00"
holidays = { country = "DE", subdivision = "BY" }

[[policy]]
topic = "new_york"
calendar = "new_york"
[[calendar]]
name = "new_york"
timezone = "America/New_York"
hours = "mon-fri 09:00-17:00"
holidays = { country = "US" }

[[policy]]
topic = "night"
calendar = "night"
[[calendar]]
name = "night"
timezone = "Europe/Berlin"
hours = "sun 00:00-06:00"
"""


class State(TypedDict, total=False):
    topic: str
    policy: dict[str, Any]
    got: dict[str, Any]


def review(state: State) -> State:
    decision = ask("Sign?", topic=state["topic"], **state["policy"])
    assert decision.waited is not None
    seconds = decision.waited.total_seconds()
    return {"got": {"timed_out": decision.timed_out, "seconds": seconds}}


def graph() -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node(review)
    builder.add_edge(START, "review")
    return builder


@pytest.fixture
async def desk(open_desk: OpenDesk, clock: Clock, tmp_path: Path) -> Signoff:
    """A desk with calendars, on the test's clock."""
    path = tmp_path / "signoff.toml"
    path.write_text(POLICIES)
    opened: Signoff = await open_desk({"g": graph()}, now=clock, policies=PolicyFile(path))
    return opened


def local(text: str, zone: str) -> datetime:
    """A moment by the clock on the wall; `+1` after it means the second time it shows that."""
    moment, _, fold = text.partition("+")
    there = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone), fold=int(fold or 0))
    return there.astimezone(UTC)


async def asked(desk: Signoff, topic: str, **policy: Any) -> Request:
    run = await desk.start("g", {"topic": topic, "policy": policy}, by="sales")
    await desk.wait(run.thread_id, timeout=30)
    [request] = (await desk.requests(thread_id=run.thread_id)).items
    return request


async def passes(desk: Signoff) -> None:
    """Several workers look at the clock."""
    await asyncio.gather(*(time_kept(desk) for _ in range(3)))


async def told(desk: Signoff, request: Request) -> list[str]:
    return [entry["event"] for entry in await desk.audit(request_id=request.id)]


CASES = {
    "spring forward, a day is 24 hours": (
        *("none", BERLIN, "2026-03-28T12:00", "24h", "2026-03-29T13:00"),
    ),
    "spring forward, over a weekend of the office": (
        *("office", BERLIN, "2026-03-27T16:00", "2h", "2026-03-30T10:00"),
    ),
    "spring forward, in a night that has five hours": (
        *("night", BERLIN, "2026-03-28T20:00", "5h", "2026-03-29T06:00"),
    ),
    "fall back, a day is 24 hours": (
        *("none", NEW_YORK, "2026-10-31T12:00", "24h", "2026-11-01T11:00"),
    ),
    "fall back, to the second two o'clock": (
        *("night", BERLIN, "2026-10-24T20:00", "3h30m", "2026-10-25T02:30+1"),
    ),
    "fall back, in a night that has seven hours": (
        *("night", BERLIN, "2026-10-24T20:00", "7h", "2026-10-25T06:00"),
    ),
    "onto a leap day": ("office", BERLIN, "2028-02-28T16:00", "2h", "2028-02-29T10:00"),
    "over a leap day": ("none", BERLIN, "2028-02-28T12:00", "2d", "2028-03-01T12:00"),
    "where there is no leap day": ("none", BERLIN, "2027-02-27T12:00", "2d", "2027-03-01T12:00"),
    "over a holiday": ("new_york", NEW_YORK, "2026-09-04T16:00", "16h", "2026-09-09T16:00"),
    "over a holiday of Bavaria, and a weekend": (
        *("office", BERLIN, "2026-01-05T16:00", "30h", "2026-01-12T14:00"),
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_deadline_comes_when_the_clock_on_the_wall_says_so(
    desk: Signoff, clock: Clock, case: str
) -> None:
    topic, zone, start, within, end = CASES[case]
    clock.time = local(start, zone)
    request = await asked(desk, topic, within=within, remind="1h", otherwise="reject")
    due = local(end, zone)
    assert request.deadline == due

    clock.time = due - MOMENT
    await passes(desk)
    assert (await desk.request(request.id)).state == "open"
    clock.time = due
    await passes(desk)
    thread = await desk.wait(request.thread_id, timeout=30)
    waited = (due - local(start, zone)).total_seconds()
    assert thread.values["got"] == {"timed_out": True, "seconds": waited}
    assert await told(desk, request) == [
        "request.opened",
        "request.reminded",
        "request.expired",
        "request.delivered",
    ]


async def test_a_calendars_day_is_as_long_as_it_is_worked_whatever_the_clocks_do(
    desk: Signoff, clock: Clock
) -> None:
    """A working day before, over and after each change of the clocks of a year."""
    for start in ("2026-03-27", "2026-03-30", "2026-10-23", "2026-10-26"):
        clock.time = local(f"{start}T09:00", BERLIN)
        request = await asked(desk, "office", within="8h")
        assert request.deadline == local(f"{start}T17:00", BERLIN)
        assert request.deadline - clock.time == 8 * HOUR


@pytest.mark.parametrize("closes", [True, False])
async def test_after_a_year_of_sleep_all_is_made_up_for_in_order_and_once(
    desk: Signoff, clock: Clock, closes: bool
) -> None:
    request = await asked(
        desk,
        "office",
        to="jane",
        within="40h",
        remind=["8h", "16h", "24h"],
        escalate=[{"after": "16h", "to": "ann"}, {"after": "32h", "to": "bob"}],
        **({"otherwise": "reject"} if closes else {}),
    )
    clock.forward(365 * DAY)
    await passes(desk)
    await passes(desk)

    events = await told(desk, request)
    late = await desk.request(request.id)
    assert late.reached == late.policy.escalate
    assert late.wake_at is None
    if not closes:
        assert events == [
            "request.opened",
            "request.escalated",
            "request.reminded",
            "request.escalated",
            "request.overdue",
        ]
        assert late.overdue
        await desk.decide(request.id, "approve", by="bob")
    thread = await desk.wait(request.thread_id, timeout=30)
    assert thread.values["got"] == {"timed_out": closes, "seconds": 365 * 86400}
    if closes:
        assert await told(desk, request) == [
            "request.opened",
            "request.escalated",
            "request.escalated",
            "request.expired",
            "request.delivered",
        ]


async def test_holidays_that_fall_on_a_weekend_take_no_working_day(
    desk: Signoff, clock: Clock
) -> None:
    clock.time = local("2027-12-23T16:00", BERLIN)
    request = await asked(desk, "office", within="16h", otherwise="reject")
    # Thursday's last hour, Friday the 24th, and seven hours of Monday the 27th.
    assert request.deadline == local("2027-12-27T16:00", BERLIN)
    clock.time = request.deadline
    await passes(desk)
    assert (await desk.request(request.id)).state == "expired"
