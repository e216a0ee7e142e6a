"""Figures: what is open, what was decided, how long that took, and whether it was in time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from signoff.db import stats
from signoff.domain.errors import InvalidInput
from signoff.service.office import Office

MAX_DAYS = 366
"""How far back figures go, at the most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What was closed. `median` and `p95` are seconds from opening to a decision by people, None
    where there is none; `met` counts what people decided before the deadline, of `due` that had one
    and were closed."""

    decided: int = 0
    expired: int = 0
    median: float | None = None
    p95: float | None = None
    due: int = 0
    met: int = 0

    @property
    def share(self) -> float | None:
        """The share that met its deadline; None where nothing had one."""
        return self.met / self.due if self.due else None

    def to_json(self) -> dict[str, Any]:
        """The figures as users see them."""
        return {
            "decided": self.decided,
            "expired": self.expired,
            "median_seconds": self.median,
            "p95_seconds": self.p95,
            "due": self.due,
            "met": self.met,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """A day, in UTC."""

    day: date
    opened: int
    figures: Figures


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """What belongs together: a graph, a node of one, or what a reviewer decided."""

    name: str
    graph: str | None
    open: int
    overdue: int
    figures: Figures


@dataclass(frozen=True, kw_only=True, slots=True)
class Stats:
    """The figures of a desk: what is open now, and what was closed in the last days."""

    open: int
    overdue: int
    total: Figures
    days: tuple[Day, ...]
    graphs: tuple[Group, ...]
    nodes: tuple[Group, ...]
    reviewers: tuple[Group, ...]

    @property
    def today(self) -> Figures:
        """What was closed today."""
        return self.days[-1].figures


async def get_stats(
    office: Office, *, days: int = 30, graphs: Collection[str] | None = None
) -> Stats:
    """The figures of the last `days`, today included; with `graphs`, of these graphs alone.

    Raises:
        InvalidInput: `days` is not 1 to 366.
    """
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput.of("days", f"is 1 to {MAX_DAYS}, not {days}")
    now = office.now()
    first = now.astimezone(UTC).date() - timedelta(days=days - 1)
    since = datetime.combine(first, time(), UTC)
    async with office.database.connection() as conn:
        waiting = await stats.waiting(conn, now, graphs)
        opened = await stats.opened(conn, since, "UTC", graphs)
        closed = await stats.decided(conn, since, "UTC", graphs)
    by_day = {row["day"]: _figures(row) for row in closed if row["level"] == stats.DAY}
    shown = (first + timedelta(days=n) for n in range(days))
    return Stats(
        open=sum(row["open"] for row in waiting),
        overdue=sum(row["overdue"] for row in waiting),
        total=next((_figures(row) for row in closed if row["level"] == stats.ALL), Figures()),
        days=tuple(
            Day(day=day, opened=opened.get(day, 0), figures=by_day.get(day, Figures()))
            for day in shown
        ),
        graphs=_groups(waiting, closed, stats.GRAPH, lambda row: (row["graph"], None)),
        nodes=_groups(waiting, closed, stats.NODE, lambda row: (row["node"], row["graph"])),
        reviewers=_groups([], closed, stats.REVIEWER, lambda row: (row["reviewer"], None)),
    )


def _figures(row: dict[str, Any]) -> Figures:
    median, p95 = row["took"] or (None, None)
    return Figures(
        decided=row["decided"],
        expired=row["expired"],
        median=None if median is None else float(median),
        p95=None if p95 is None else float(p95),
        due=row["due"],
        met=row["met"],
    )


Name = tuple[str | None, str | None]


def _groups(
    waiting: list[dict[str, Any]],
    closed: list[dict[str, Any]],
    level: int,
    name_of: Callable[[dict[str, Any]], Name],
) -> tuple[Group, ...]:
    """The groups of a level by name, those with the most work first."""
    figures = {name_of(row): _figures(row) for row in closed if row["level"] == level}
    left: dict[Name, list[int]] = {}
    for row in waiting:
        counted = left.setdefault(name_of(row), [0, 0])
        counted[0] += row["open"]
        counted[1] += row["overdue"]
    groups = [
        Group(
            name=name[0],
            graph=name[1],
            open=left.get(name, [0, 0])[0],
            overdue=left.get(name, [0, 0])[1],
            figures=figures.get(name, Figures()),
        )
        for name in {*figures, *left}
        if name[0] is not None
    ]
    return tuple(sorted(groups, key=lambda g: (-g.open - g.figures.decided, g.graph or "", g.name)))
