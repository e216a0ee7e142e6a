"""The overview: what is open, what was decided, how long that took, and whether it was in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from signoff.service.stats import Stats, get_stats
from signoff.web import charts
from signoff.web.route import PageRoute, Visit, page
from signoff.web.words import span

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SPANS = (7, 30, 90)


@router.get("/inbox/overview")
async def show_overview(visit: Visit, days: int = 30) -> Response:
    """Figures of the last days, as charts and as tables."""
    found = await get_stats(visit.office, days=days, graphs=visit.principal.graphs)
    return page(
        visit.request,
        "overview.html",
        by=visit.by,
        stats=found,
        shown_days=days,
        spans=SPANS,
        lasting=lasting,
        share=share,
        **_charts(found),
    )


def _charts(found: Stats) -> dict[str, Any]:
    days = [each.day for each in found.days]
    decided = [each.figures.decided for each in found.days]
    return {
        "throughput": charts.bars(
            days,
            decided,
            [each.opened for each in found.days],
            said=f"Decided and opened on each day; {sum(decided):,} decided in all",
        ),
        "duration": charts.durations(
            days,
            [each.figures.median for each in found.days],
            [each.figures.p95 for each in found.days],
            said=f"Time to decide on each day; median {lasting(found.total.median)} in all",
        ),
        "punctuality": charts.shares(
            days,
            [each.figures.share for each in found.days],
            said=f"Share decided before the deadline; {share(found.total.share)} in all",
        ),
    }


def lasting(seconds: float | None) -> str:
    """A duration in words; a dash where there is none."""
    if seconds is None:
        return "–"  # noqa: RUF001
    return f"{seconds:.0f} s" if seconds < 60 else span(timedelta(seconds=seconds))


def share(value: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return "–" if value is None else f"{value:.0%}"  # noqa: RUF001
