"""Figures of what is open and of what was decided."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from signoff.db.pool import Connection

IN_SIGHT = "(%(graphs)s::text[] IS NULL OR graph = ANY(%(graphs)s))"


def _params(graphs: Collection[str] | None, **params: Any) -> dict[str, Any]:
    return {"graphs": None if graphs is None else sorted(graphs), **params}


async def waiting(
    conn: Connection, now: datetime, graphs: Collection[str] | None
) -> list[dict[str, Any]]:
    """How many are open and overdue: `graph`, `node`, `open`, `overdue`."""
    cursor = await conn.execute(
        f"""
        SELECT graph, node, count(*) AS open, count(*) FILTER (WHERE deadline < %(now)s) AS overdue
          FROM requests WHERE state = 'open' AND {IN_SIGHT} GROUP BY graph, node
        """,
        _params(graphs, now=now),
    )
    return await cursor.fetchall()


async def opened(
    conn: Connection, since: datetime, zone: str, graphs: Collection[str] | None
) -> dict[date, int]:
    """How many were opened on each day."""
    cursor = await conn.execute(
        f"""
        SELECT (opened_at AT TIME ZONE %(zone)s)::date AS day, count(*) AS opened FROM requests
         WHERE opened_at >= %(since)s AND {IN_SIGHT} GROUP BY 1
        """,
        _params(graphs, since=since, zone=zone),
    )
    return {row["day"]: row["opened"] async for row in cursor}


async def decided(
    conn: Connection, since: datetime, zone: str, graphs: Collection[str] | None
) -> list[dict[str, Any]]:
    """What was closed with an outcome: in all, by day, graph, graph and node, and reviewer.

    Of each, `decided` (by people), `expired`, `median` and `p95` seconds until people had decided,
    how many had a deadline and how many of these were decided before it.
    """
    cursor = await conn.execute(
        f"""
        WITH closed AS (
            SELECT graph, node, (closed_at AT TIME ZONE %(zone)s)::date AS day,
                   state = 'decided' AS by_people,
                   CASE WHEN state = 'decided' THEN outcome->>'by' END AS reviewer,
                   deadline IS NOT NULL AS due,
                   state = 'decided' AND closed_at <= deadline AS met,
                   greatest(0, extract(epoch FROM closed_at - opened_at)) AS took
              FROM requests
             WHERE closed_at >= %(since)s AND state <> 'open'
               AND state IN ('decided', 'expired') AND {IN_SIGHT})
        SELECT graph, node, day, reviewer, grouping(day, graph, node, reviewer) AS level,
               count(*) FILTER (WHERE by_people) AS decided,
               count(*) FILTER (WHERE NOT by_people) AS expired,
               percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY took)
                   FILTER (WHERE by_people) AS took,
               count(*) FILTER (WHERE due) AS due, count(*) FILTER (WHERE met) AS met
          FROM closed GROUP BY GROUPING SETS ((), (day), (graph), (graph, node), (reviewer))
        """,
        _params(graphs, since=since, zone=zone),
    )
    return await cursor.fetchall()


DAY, GRAPH, NODE, REVIEWER, ALL = 0b0111, 0b1011, 0b1001, 0b1110, 0b1111
"""What the levels of `decided` mean."""
