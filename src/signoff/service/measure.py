"""Measure how a desk does, for whoever watches over it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from signoff.db import audit, metrics
from signoff.db.audit import Cursor
from signoff.domain.errors import DatabaseUnreachable
from signoff.service.office import Office

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

TO_DECIDE = (
    *(5.0, 15.0, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR),
    *(DAY, 2 * DAY, 4 * DAY, 7 * DAY, 14 * DAY, 30 * DAY),
)
"""Bounds of how long people take, in seconds."""

TO_DELIVER = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Bounds of how long it takes until a graph has gone on with an answer, in seconds."""

FRESH = 5.0
"""Seconds for which figures are as good as new."""

SHARE = 0.05
"""The most of a database session's time that counting takes: what is slow is done less often."""

PAGE = 20_000
"""Entries of the audit read at once."""

TIMEOUT = 10.0
"""Seconds after which whoever asks hears that the database is not there."""


@dataclass(slots=True)
class Spread:
    """How long something took, each time: how often under each bound and above all, and in all."""

    times: list[int]
    seconds: float = 0.0


@dataclass(slots=True)
class Figures:
    """How a desk does.

    What `happened` is counted since the process first looked: the same in each process that looks
    at this desk, whoever has done it.
    """

    up: bool = False
    open: Mapping[tuple[str, str], int] = field(default_factory=dict)
    overdue: Mapping[tuple[str, str], int] = field(default_factory=dict)
    runs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    messages: Mapping[tuple[str, str], int] = field(default_factory=dict)
    due: int = 0
    oldest_due: float = 0.0
    jobs: int = 0
    workers: int = 0
    threads_in_error: int = 0
    happened: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    to_decide: dict[tuple[str, str], Spread] = field(default_factory=dict)
    to_deliver: dict[tuple[str, str], Spread] = field(default_factory=dict)


class Measure:
    """Looks when it is asked, though not more often than it should."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._figures = Figures()
        self._cursor: Cursor | None = None
        self._fresh_until = self._counted_until = 0.0
        self._looking = asyncio.Lock()

    async def figures(self) -> Figures:
        """The figures of this moment, or of a moment ago."""
        async with self._looking:
            if time.monotonic() < self._fresh_until:
                return self._figures
            try:
                async with asyncio.timeout(TIMEOUT):
                    await self._look()
                self._figures.up = True
            except (DatabaseUnreachable, TimeoutError):
                self._figures.up = False
            self._fresh_until = time.monotonic() + FRESH
            return self._figures

    async def _look(self) -> None:
        found, now = self._figures, self._office.now()
        async with self._office.database.connection() as conn:
            if (began := time.monotonic()) >= self._counted_until:
                rows = await metrics.waiting(conn, now)
                found.open = {(row["graph"], row["kind"]): row["open"] for row in rows}
                found.overdue = {(row["graph"], row["kind"]): row["overdue"] for row in rows}
                ended = time.monotonic()
                self._counted_until = ended + (ended - began) / SHARE
            found.runs = {
                (row["graph"], row["status"]): row["runs"] for row in await metrics.executing(conn)
            }
            found.messages = {
                (row["channel"], row["state"]): row["messages"]
                for row in await metrics.messages(conn)
            }
            stands = await metrics.standing(conn, now)
            found.due, found.oldest_due = stands["due"], stands["oldest"]
            found.jobs, found.workers = stands["jobs"], stands["workers"]
            found.threads_in_error = stands["errors"]
            if self._cursor is None:
                self._cursor = await audit.now(conn)
            more = True
            while more:
                self._cursor, more, rows = await metrics.happened(
                    conn, self._cursor, limit=PAGE, deciding=TO_DECIDE, delivering=TO_DELIVER
                )
                self._count(rows)

    def _count(self, rows: Sequence[Mapping[str, Any]]) -> None:
        found = self._figures
        for row in rows:
            graph, kind = row["graph"] or "", row["kind"] or ""
            found.happened[row["event"], graph, kind] += row["times"]
            spreads, bounds = {
                "request.decided": (found.to_decide, TO_DECIDE),
                "request.delivered": (found.to_deliver, TO_DELIVER),
            }.get(row["event"], (None, ()))
            if spreads is None or row["bucket"] is None:
                continue
            spread = spreads.setdefault((graph, kind), Spread([0] * (len(bounds) + 1)))
            spread.times[row["bucket"]] += row["times"]
            spread.seconds += row["seconds"]
