"""Requests of the past in batches, with all that was said on them: for trying another policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from signoff.db import audit, request_rows
from signoff.db.pool import Connection
from signoff.domain.request import Request

Key = tuple[datetime, str]
"""Where a batch ended."""


async def count(conn: Connection, *, since: datetime, until: datetime) -> int:
    """How many requests were opened in a time."""
    cursor = await conn.execute(
        "SELECT count(*) AS total FROM requests WHERE opened_at BETWEEN %s AND %s", (since, until)
    )
    row = await cursor.fetchone()
    return row["total"] if row else 0


async def batch(
    conn: Connection, *, since: datetime, until: datetime, after: Key | None, limit: int
) -> list[Request]:
    """The next requests that were opened in a time, the oldest first, with their votes."""
    at, last = after or (since, "00000000-0000-0000-0000-000000000000")
    cursor = await conn.execute(
        f"""
        SELECT {request_rows.UNSEEN_COLUMNS}, {request_rows.VOTES} FROM requests
         WHERE (opened_at, id) > (%s, %s::uuid) AND opened_at <= %s
         ORDER BY opened_at, id LIMIT %s
        """,
        (at, last, until, limit),
    )
    return [request_rows.with_votes(conn, row) async for row in cursor]


async def open_batch(
    conn: Connection, *, graph: str | None, after: Key | None, limit: int
) -> list[Request]:
    """The next open requests, the oldest first, with their votes."""
    at, last = after or (datetime.min.replace(tzinfo=UTC), "00000000-0000-0000-0000-000000000000")
    cursor = await conn.execute(
        f"""
        SELECT {request_rows.UNSEEN_COLUMNS}, {request_rows.VOTES} FROM requests
         WHERE state = 'open' AND (opened_at, id) > (%s, %s::uuid)
           AND (%s::text IS NULL OR graph = %s)
         ORDER BY opened_at, id LIMIT %s
        """,
        (at, last, graph, graph, limit),
    )
    return [request_rows.with_votes(conn, row) async for row in cursor]


async def ballots(conn: Connection, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """What was said on requests and did not close them: the bodies of those audit entries."""
    cursor = await conn.execute(
        """
        SELECT request_id, body, sealed FROM audit
         WHERE request_id = ANY(%s::uuid[])
           AND event IN ('request.voted', 'request.vote_taken_back')
         ORDER BY request_id, seq
        """,
        (list(ids),),
    )
    found: dict[str, list[dict[str, Any]]] = {}
    async for row in cursor:
        found.setdefault(str(row["request_id"]), []).append(
            audit.told(conn, row["body"], row["sealed"])
        )
    return found
