"""Figures of what is open and of what was decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from signoff import Signoff
from signoff.domain.errors import InvalidInput
from signoff.service.keep_time import keep_time
from signoff.service.stats import get_stats
from tests.api.graphs import drafts, single
from tests.conftest import Clock, OpenDesk


@pytest.fixture
async def desk(open_desk: OpenDesk, clock: Clock) -> Signoff:
    """A desk whose clock stands still."""
    opened: Signoff = await open_desk({"drafts": drafts(), "single": single()}, now=clock)
    return opened


async def asked(desk: Signoff, graph: str = "drafts", **policy: Any) -> str:
    """The id of what a new thread asks."""
    run = await desk.start(graph, {"topic": "tea", "policy": policy}, by="sales")
    await desk.wait(run.thread_id, timeout=30)
    return (await desk.requests(thread_id=run.thread_id)).items[0].id


async def test_figures_say_how_long_it_took_and_whether_it_was_in_time(
    desk: Signoff, clock: Clock
) -> None:
    early, late = await asked(desk, within="1h"), await asked(desk, within="1h")
    await asked(desk)
    waits = await asked(desk, "single")
    clock.forward(timedelta(minutes=10))
    await desk.decide(early, "approve", by="jane")
    clock.forward(timedelta(minutes=80))
    await desk.decide(late, "reject", by="bob")
    stats = await get_stats(desk.office)
    assert (stats.open, stats.overdue) == (2, 0)
    assert (stats.total.decided, stats.total.due, stats.total.met) == (2, 2, 1)
    assert stats.total.median == pytest.approx(50 * 60)
    assert stats.total.p95 == pytest.approx((10 + 0.95 * 80) * 60)
    assert stats.total.share == 0.5
    assert [(each.name, each.open, each.figures.decided) for each in stats.graphs] == [
        ("drafts", 1, 2),
        ("single", 1, 0),
    ]
    assert [(each.graph, each.name) for each in stats.nodes] == [
        ("drafts", "review"),
        ("single", "first"),
    ]
    assert {each.name: each.figures.median for each in stats.reviewers} == {
        "jane": pytest.approx(600),
        "bob": pytest.approx(5400),
    }
    assert (await desk.request(waits)).state == "open"


async def test_what_the_deadline_decides_counts_as_not_met_and_as_nobodys(
    desk: Signoff, clock: Clock
) -> None:
    await asked(desk, within="1h", otherwise="reject")
    await asked(desk, within="1h")
    clock.forward(timedelta(hours=2))
    await keep_time(desk.office)
    stats = await get_stats(desk.office)
    total = stats.total
    assert (total.decided, total.expired, total.due, total.met) == (0, 1, 1, 0)
    assert total.median is None
    assert (stats.open, stats.overdue, stats.reviewers) == (1, 1, ())


async def test_days_are_whole_and_end_today(desk: Signoff, clock: Clock) -> None:
    request = await asked(desk)
    clock.forward(timedelta(days=2))
    await desk.decide(request, "approve", by="jane")
    days = (await get_stats(desk.office, days=4)).days
    assert [(each.day.isoformat(), each.opened, each.figures.decided) for each in days] == [
        ("2026-03-01", 0, 0),
        ("2026-03-02", 1, 0),
        ("2026-03-03", 0, 0),
        ("2026-03-04", 0, 1),
    ]
    assert (await get_stats(desk.office, days=1)).today.decided == 1


async def test_figures_of_some_graphs_tell_nothing_of_others(desk: Signoff) -> None:
    await desk.decide(await asked(desk), "approve", by="jane")
    await asked(desk, "single")
    stats = await get_stats(desk.office, graphs={"single"})
    assert (stats.open, stats.total.decided, stats.reviewers) == (1, 0, ())
    assert [each.name for each in stats.graphs] == ["single"]
    assert sum(each.opened for each in stats.days) == 1


@pytest.mark.parametrize("days", [0, 367])
async def test_a_time_that_is_too_long_is_refused(desk: Signoff, days: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 366"):
        await get_stats(desk.office, days=days)
