"""Lists of requests: filters, sorts, pages by key."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signoff.db import requests
from signoff.db.pool import Connection
from signoff.domain.request import Request

SORTS = {
    "opened_at": ("opened_at", False),
    "-opened_at": ("opened_at", True),
    "closed_at": ("coalesce(closed_at, 'infinity')", False),
    "-closed_at": ("coalesce(closed_at, '-infinity')", True),
    "deadline": ("coalesce(deadline, 'infinity')", False),
    "priority": ("priority", False),
    "-priority": ("priority", True),
}
"""What a list can be sorted by: the expression, and whether it descends. Ties go by id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which requests a list shows; None leaves a field open."""

    state: Sequence[str] | None = None
    graph: str | None = None
    node: str | None = None
    kind: str | None = None
    topic: str | None = None
    thread_id: str | None = None
    audience: Sequence[str] | None = None
    barred: str | None = None
    overdue_at: datetime | None = None
    priority: int | None = None
    q: str | None = None
    graphs: Collection[str] | None = None

    def sql(self) -> tuple[list[str], dict[str, Any]]:
        """The conditions and their parameters."""
        params = {
            "state": None if self.state is None else list(self.state),
            "graph": self.graph,
            "node": self.node,
            "kind": self.kind,
            "topic": self.topic,
            "thread_id": self.thread_id,
            "audience": None if self.audience is None else list(self.audience),
            "barred": self.barred,
            "overdue_at": self.overdue_at,
            "priority": self.priority,
            "q": None if self.q is None else f"%{_escape(self.q)}%",
            "graphs": None if self.graphs is None else list(self.graphs),
        }
        clauses = {
            "state": "state = ANY(%(state)s)",
            "audience": "audience && %(audience)s::text[]",
            "barred": "NOT (policy @> '{\"four_eyes\": true}' AND %(barred)s = ANY(involved))",
            "overdue_at": "state = 'open' AND deadline < %(overdue_at)s",
            "graphs": "graph = ANY(%(graphs)s)",
            "q": "(title ILIKE %(q)s OR thread_id ILIKE %(q)s)",
        }
        wheres = [
            clauses.get(name, f"{name} = %({name})s")
            for name, value in params.items()
            if value is not None
        ]
        return wheres, {name: value for name, value in params.items() if value is not None}


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def page(
    conn: Connection,
    filter_: Filter,
    *,
    sort: str,
    limit: int,
    after: tuple[str, str] | None,
) -> tuple[list[Request], tuple[str, str] | None]:
    """One page of a list, and where the next one begins (None at the end)."""
    expression, descending = SORTS[sort]
    wheres, params = filter_.sql()
    kind = "smallint" if "priority" in expression else "timestamptz"
    if after is not None:
        wheres.append(
            f"({expression}, id) {'<' if descending else '>'} (%(key)s::{kind}, %(after)s::uuid)"
        )
        params |= {"key": after[0], "after": after[1]}
    direction = "DESC" if descending else "ASC"
    where = f"WHERE {' AND '.join(wheres)}" if wheres else ""
    cursor = await conn.execute(
        f"""
        SELECT {requests.COLUMNS}, {requests.VOTES}, ({expression})::text AS sort_key
          FROM requests {where}
         ORDER BY {expression} {direction}, id {direction} LIMIT %(limit)s
        """,
        {**params, "limit": limit + 1},
    )
    rows = await cursor.fetchall()
    keys = [(row.pop("sort_key"), str(row["id"])) for row in rows]
    found = [requests.with_votes(row) for row in rows[:limit]]
    return found, keys[limit - 1] if len(rows) > limit else None


async def count(conn: Connection, filter_: Filter) -> int:
    """How many requests a filter lets through."""
    wheres, params = filter_.sql()
    where = f"WHERE {' AND '.join(wheres)}" if wheres else ""
    cursor = await conn.execute(f"SELECT count(*) AS total FROM requests {where}", params)
    row = await cursor.fetchone()
    return row["total"] if row else 0
