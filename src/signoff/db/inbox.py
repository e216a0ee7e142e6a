"""What lists of requests show of each: a line, without what the graph asks in full."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signoff.db import request_lists
from signoff.db.pool import Connection
from signoff.db.request_lists import Filter, Place
from signoff.db.sealed import opened
from signoff.domain.policy import PRIORITIES, Priority
from signoff.domain.request import Request


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A request as one line. `title` and `topic` are the graph's own words."""

    id: str
    thread_id: str
    graph: str
    node: str
    kind: str
    topic: str | None
    title: str
    state: str
    delivery: str
    priority: Priority
    audience: tuple[str, ...]
    claimed_by: str | None
    opened_at: datetime
    deadline: datetime | None
    closed_at: datetime | None
    votes: int
    quorum: int
    action: str | None
    by: str | None
    timed_out: bool


COLUMNS = """
    id::text, thread_id, graph, node, kind, topic, title, state, delivery, priority, audience,
    claimed_by, opened_at, deadline, closed_at, coalesce((policy->>'quorum')::int, 1) AS quorum,
    outcome->>'action' AS action, outcome->>'by' AS by,
    coalesce((outcome->>'timed_out')::boolean, false) AS timed_out,
    CASE WHEN policy ? 'quorum' THEN
        (SELECT count(*) FROM votes WHERE request_id = requests.id) ELSE 0 END AS votes
"""


async def page(
    conn: Connection, filter_: Filter, *, sort: str, limit: int, after: Place | None
) -> tuple[list[Line], Place | None, int]:
    """A page of a list as lines, where the next one begins, and how long it is: see `Listing`."""
    found = await request_lists.look(conn, filter_, COLUMNS, sort=sort, limit=limit, after=after)
    return [_line(conn, row) for row in found.rows], found.following, found.total


async def places(conn: Connection) -> dict[str, list[str]]:
    """What lists can be narrowed down to: the graphs, nodes, kinds and topics of late."""
    cursor = await conn.execute(
        """
        SELECT array_agg(DISTINCT graph ORDER BY graph) AS graph,
               array_agg(DISTINCT node ORDER BY node) AS node,
               array_agg(DISTINCT kind ORDER BY kind) AS kind,
               array_agg(DISTINCT topic ORDER BY topic) FILTER (WHERE topic IS NOT NULL) AS topic
          FROM (SELECT graph, node, kind, topic FROM requests
                 ORDER BY opened_at DESC, id DESC LIMIT 2000) AS late
        """
    )
    row = await cursor.fetchone() or {}
    return {name: (found or [])[:100] for name, found in row.items()}


async def lines(conn: Connection, ids: list[str]) -> list[Line]:
    """These requests as lines, in no particular order."""
    cursor = await conn.execute(
        f"SELECT {COLUMNS} FROM requests WHERE id = ANY(%s::uuid[])", (ids,)
    )
    return [_line(conn, row) async for row in cursor]


async def previous(conn: Connection, request: Request) -> str | None:
    """The id of what the same node of the same thread asked the last time; None if it did not.

    None as well where it asked several people at once, so that it cannot be told which it was.
    """
    cursor = await conn.execute(
        """
        SELECT id::text, checkpoint_id FROM requests
         WHERE thread_id = %s AND graph = %s AND node = %s AND kind = %s AND position = %s
           AND checkpoint_id <> %s AND (opened_at, id) < (%s, %s::uuid)
         ORDER BY opened_at DESC, id DESC LIMIT 2
        """,
        (
            request.thread_id,
            request.graph,
            request.node,
            request.kind,
            request.pause.position,
            request.checkpoint_id,
            request.opened_at,
            request.id,
        ),
    )
    rows = await cursor.fetchall()
    if not rows or (len(rows) > 1 and rows[0]["checkpoint_id"] == rows[1]["checkpoint_id"]):
        return None
    found: str = rows[0]["id"]
    return found


async def stamp(conn: Connection, thread_id: str) -> str | None:
    """A text that differs whenever something on a thread's pages does; None without a thread."""
    cursor = await conn.execute(
        """
        SELECT concat_ws(' ', status, epoch, updated_at,
               (SELECT md5(string_agg(concat_ws(' ', id, state, delivery, version, digest), ','
                                      ORDER BY id))
                  FROM requests WHERE thread_id = threads.id)) AS stamp
          FROM threads WHERE id = %s
        """,
        (thread_id,),
    )
    row = await cursor.fetchone()
    return None if row is None else str(row["stamp"])


def _line(conn: Connection, row: dict[str, Any]) -> Line:
    row = opened(conn, "requests", row)
    return Line(
        **{**row, "priority": PRIORITIES[row["priority"]], "audience": tuple(row["audience"])}
    )
