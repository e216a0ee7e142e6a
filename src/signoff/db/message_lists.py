"""Lists of messages, for those who see to it that they arrive."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signoff.db.messages import COLUMNS, Item
from signoff.db.pool import Connection
from signoff.db.request_lists import Place
from signoff.db.sealed import opened

STATES = ("waiting", "gathered", "sending", "sent", "dropped", "dead")
"""Where a message stands: it waits for its moment or another try; it was gathered into a digest; it
is on its way; it has arrived; nobody needed it any more; it was given up."""

DELETED_AT_ONCE = 10_000
"""Rows deleted in one statement, so that none takes long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageDelivery:
    """A message, and how it fares."""

    item: Item
    graph: str
    state: str
    due_at: datetime | None
    settled_at: datetime | None
    error: str | None


def _delivery(conn: Connection, row: dict[str, Any]) -> MessageDelivery:
    row = opened(conn, "messages", row)
    own = {name: row.pop(name) for name in ("graph", "state", "due_at", "settled_at", "error")}
    return MessageDelivery(item=Item(**row), **own)


_SHOWN = f"{COLUMNS}, graph, state, due_at, settled_at, error"


async def page(
    conn: Connection,
    *,
    states: Sequence[str] | None,
    graphs: Collection[str] | None,
    request_id: str | None,
    limit: int,
    after: Place | None,
) -> list[MessageDelivery]:
    """Messages, the newest first; of these states, graphs and request where they are given."""
    conditions = ["true"]
    if states is not None:
        conditions.append("state = ANY(%(states)s)")
    if graphs is not None:
        conditions.append("graph = ANY(%(graphs)s)")
    if request_id is not None:
        conditions.append("request_id = %(request_id)s::uuid")
    if after is not None:
        conditions.append("(at, id) < (%(at)s::timestamptz, %(id)s::uuid)")
    cursor = await conn.execute(
        f"""
        SELECT {_SHOWN} FROM messages AS due WHERE {" AND ".join(conditions)}
         ORDER BY at DESC, id DESC LIMIT %(limit)s
        """,
        {
            "states": states and list(states),
            "graphs": graphs and list(graphs),
            "request_id": request_id,
            "at": after and after[0],
            "id": after and after[1],
            "limit": limit,
        },
    )
    return [_delivery(conn, row) async for row in cursor]


async def get(conn: Connection, message_id: str) -> MessageDelivery | None:
    """One message."""
    cursor = await conn.execute(
        f"SELECT {_SHOWN} FROM messages AS due WHERE id = %s", (message_id,)
    )
    row = await cursor.fetchone()
    return _delivery(conn, row) if row else None


async def count(conn: Connection, graphs: Collection[str] | None) -> dict[str, int]:
    """How many messages there are in each state that wants looking after."""
    cursor = await conn.execute(
        """
        SELECT state, count(*) AS n FROM messages
         WHERE state IN ('waiting', 'sending', 'dead')
           AND (%(graphs)s::text[] IS NULL OR graph = ANY(%(graphs)s))
         GROUP BY state
        """,
        {"graphs": None if graphs is None else list(graphs)},
    )
    return {row["state"]: row["n"] async for row in cursor}


async def redeliver(
    conn: Connection,
    ids: Sequence[str] | None,
    *,
    graphs: Collection[str] | None,
    before: datetime | None,
    limit: int,
    now: datetime,
) -> list[MessageDelivery]:
    """Have messages that were given up (by a moment, if it is given) tried again: these, or the
    oldest; they as they were.

    Each goes out by itself, one of a digest as well.
    """
    cursor = await conn.execute(
        f"""
        UPDATE messages AS due
           SET state = 'waiting', due_at = %(now)s, planned_at = %(now)s, settled_at = NULL,
               leader = id
         WHERE id IN (
                SELECT id FROM messages
                 WHERE state = 'dead' AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
                   AND (%(graphs)s::text[] IS NULL OR graph = ANY(%(graphs)s))
                   AND (%(before)s::timestamptz IS NULL OR settled_at <= %(before)s)
                 ORDER BY at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
        RETURNING {_SHOWN}
        """,
        {
            "ids": None if ids is None else list(ids),
            "graphs": None if graphs is None else list(graphs),
            "before": before,
            "limit": limit,
            "now": now,
        },
    )
    return [_delivery(conn, row) async for row in cursor]


async def delete_settled(conn: Connection, before: datetime) -> bool:
    """Delete some that were settled before that; whether there may be more.

    Those of requests that are open stay: it is by them that it is known who was told.
    """
    cursor = await conn.execute(
        """
        DELETE FROM messages WHERE id IN (
            SELECT id FROM messages
             WHERE settled_at < %s AND NOT EXISTS (
                    SELECT 1 FROM requests
                     WHERE requests.id = messages.request_id AND requests.state = 'open')
             ORDER BY settled_at LIMIT %s)
        """,
        (before, DELETED_AT_ONCE),
    )
    return cursor.rowcount == DELETED_AT_ONCE
