"""The table `messages`: what is to be sent, to whom, and how that went."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from signoff.db.jobs import CHANNEL
from signoff.db.pool import Connection, won
from signoff.db.sealed import opened, sealed

COLUMNS = """
    id::text, request_id::text, run_id::text, occasion, by, note, at, channel, address, recipient,
    follow_up, payload, leader::text, planned_at, attempts, thread_id
"""
"""What is read of a message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A message to come. Those with an `entry` tell of that entry of the audit, once an address."""

    id: str
    thread_id: str
    graph: str
    occasion: str
    by: str
    at: datetime
    channel: str
    address: str
    due_at: datetime
    entry: int | None = None
    request_id: str | None = None
    run_id: str | None = None
    recipient: str | None = None
    note: str | None = None
    follow_up: bool = False
    digest: bool = False
    payload: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A message whose turn has come. `first` is the id under which its address was told of its
    request before; None if it was not."""

    id: str
    request_id: str | None
    run_id: str | None
    occasion: str
    by: str
    note: str | None
    at: datetime
    channel: str
    address: str
    recipient: str | None
    follow_up: bool
    payload: Any
    leader: str | None
    planned_at: datetime
    attempts: int
    thread_id: str
    first: str | None = None


async def insert(conn: Connection, drafts: Sequence[Draft]) -> int:
    """Add messages, and tell those who send them; how many. What there is already is left out."""
    if not drafts:
        return 0
    rows = [sealed(conn, "messages", _row(each)) for each in drafts]
    cursor = await conn.execute(
        """
        INSERT INTO messages (
            id, entry, thread_id, graph, request_id, run_id, occasion, by, note, at, channel,
            address, recipient, follow_up, digest, payload, planned_at, due_at)
        SELECT id, entry, thread_id, graph, request_id, run_id, occasion, by, note, at, channel,
               address, recipient, follow_up, digest, payload, planned_at, due_at
          FROM json_to_recordset(%s::json) AS (
            id uuid, entry bigint, thread_id text, graph text, request_id uuid, run_id uuid,
            occasion text, by text, note text, at timestamptz, channel text, address text,
            recipient text, follow_up boolean, digest boolean, payload json,
            planned_at timestamptz, due_at timestamptz)
        ON CONFLICT DO NOTHING
        """,
        (orjson.dumps(rows).decode(),),
    )
    added = cursor.rowcount
    if added:
        await tell(conn)
    return added


def _row(each: Draft) -> dict[str, Any]:
    return {
        "id": each.id,
        "entry": each.entry,
        "thread_id": each.thread_id,
        "graph": each.graph,
        "request_id": each.request_id,
        "run_id": each.run_id,
        "occasion": each.occasion,
        "by": each.by,
        "note": each.note,
        "at": each.at,
        "channel": each.channel,
        "address": each.address,
        "recipient": each.recipient,
        "follow_up": each.follow_up,
        "digest": each.digest,
        "payload": each.payload,
        "planned_at": each.due_at,
        "due_at": each.due_at,
    }


async def tell(conn: Connection) -> None:
    """Tell those who send that there is something to send, once the transaction has committed."""
    await conn.execute("SELECT pg_notify(%s, 'messages')", (CHANNEL,))


async def told(conn: Connection, request_ids: Collection[str]) -> dict[str, set[tuple[str, str]]]:
    """Who is, or is about to be, told of each of these requests: users and channels."""
    cursor = await conn.execute(
        """
        SELECT DISTINCT request_id::text, recipient, channel FROM messages
         WHERE request_id = ANY(%s::uuid[]) AND recipient IS NOT NULL AND state <> 'dropped'
        """,
        (list(request_ids),),
    )
    found: dict[str, set[tuple[str, str]]] = {}
    async for row in cursor:
        found.setdefault(row["request_id"], set()).add((row["recipient"], row["channel"]))
    return found


async def next_due(conn: Connection) -> datetime | None:
    """When the next message is due; None if none waits."""
    cursor = await conn.execute(
        "SELECT min(due_at) AS due_at FROM messages WHERE due_at IS NOT NULL"
    )
    row = await cursor.fetchone()
    return row["due_at"] if row else None


async def gather(conn: Connection, now: datetime) -> None:
    """Put what is due of digests together: the first to an address goes out for all of them."""
    await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT id, channel, address FROM messages
             WHERE due_at <= %(now)s AND digest AND leader IS NULL
               FOR UPDATE SKIP LOCKED
        ), first AS (
            SELECT id, channel, address,
                   first_value(id) OVER (PARTITION BY channel, address ORDER BY id) AS leader
              FROM due
        )
        UPDATE messages
           SET leader = first.leader,
               state = CASE WHEN messages.id = first.leader THEN 'waiting' ELSE 'gathered' END,
               due_at = CASE WHEN messages.id = first.leader THEN due_at END
          FROM first WHERE messages.id = first.id
        """,
        {"now": now},
    )


async def claim(
    conn: Connection,
    now: datetime,
    until: datetime,
    *,
    limit: int,
    per_address: int,
    busy: Collection[tuple[str, str]] = (),
) -> list[str]:
    """Take messages that are due, to send them; until that moment nobody else takes them.

    Some may have been taken before, by somebody who did not come back. No more than `per_address`
    go to one, and none to those that are `busy`, so that a slow receiver keeps nobody else
    waiting. What follows another message to a person waits for that one.
    """
    cursor = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT id, due_at, channel, address FROM messages AS due
             WHERE due_at <= %(now)s AND (leader IS NOT NULL OR NOT digest)
               AND (channel, address) NOT IN (
                    SELECT * FROM unnest(%(channels)s::text[], %(addresses)s::text[]))
               AND (recipient IS NULL OR digest OR NOT EXISTS (
                    SELECT 1 FROM messages AS earlier
                     WHERE earlier.request_id = due.request_id AND earlier.channel = due.channel
                       AND earlier.address = due.address AND earlier.due_at IS NOT NULL
                       AND earlier.entry < due.entry AND NOT earlier.digest))
             ORDER BY due_at LIMIT %(scanned)s
        ), wanted AS MATERIALIZED (
            SELECT id FROM (
                SELECT id, due_at, row_number() OVER (
                        PARTITION BY channel, address ORDER BY due_at, id) AS place
                  FROM due) AS placed
             WHERE place <= %(each)s ORDER BY due_at, id LIMIT %(limit)s
        ), taken AS MATERIALIZED (
            SELECT id FROM messages
             WHERE id IN (SELECT id FROM wanted) AND due_at <= %(now)s
               FOR UPDATE SKIP LOCKED
        )
        UPDATE messages SET state = 'sending', attempts = attempts + 1, due_at = %(until)s
         WHERE id IN (SELECT id FROM taken)
        RETURNING id::text
        """,
        {
            "now": now,
            "until": until,
            "channels": [channel for channel, _ in busy],
            "addresses": [address for _, address in busy],
            "scanned": 4 * limit,
            "each": per_address,
            "limit": limit,
        },
    )
    return [row["id"] async for row in cursor]


async def items(conn: Connection, ids: Sequence[str]) -> list[Item]:
    """These messages, and those that go out with them; in the order in which things happened."""
    cursor = await conn.execute(
        f"""
        SELECT {COLUMNS},
               (SELECT coalesce(earlier.leader, earlier.id)::text FROM messages AS earlier
                 WHERE earlier.request_id = due.request_id AND earlier.channel = due.channel
                   AND earlier.address = due.address AND earlier.state = 'sent'
                   AND earlier.entry < due.entry
                 ORDER BY earlier.entry LIMIT 1) AS first
          FROM messages AS due
         WHERE id = ANY(%(ids)s::uuid[]) OR leader = ANY(%(ids)s::uuid[])
         ORDER BY entry, id
        """,
        {"ids": list(ids)},
    )
    return [Item(**opened(conn, "messages", row)) async for row in cursor]


async def sent(conn: Connection, ids: Sequence[str], attempt: int, now: datetime) -> bool:
    """Note that messages have gone out as one, led by the first of them; False, and nothing is
    changed, if somebody else has taken it meanwhile."""
    return await _settle(conn, ids, attempt, "sent", None, now)


async def died(
    conn: Connection, ids: Sequence[str], attempt: int, error: str, now: datetime
) -> bool:
    """Note that messages are not tried any more; False as with `sent`."""
    return await _settle(conn, ids, attempt, "dead", error, now)


async def _settle(
    conn: Connection,
    ids: Sequence[str],
    attempt: int,
    state: str,
    error: str | None,
    now: datetime,
) -> bool:
    cursor = await conn.execute(
        """
        UPDATE messages
           SET state = %(state)s, error = %(error)s, due_at = NULL, settled_at = %(now)s
         WHERE EXISTS (
                SELECT 1 FROM messages
                 WHERE id = %(leader)s AND state = 'sending' AND attempts = %(attempt)s FOR UPDATE)
           AND id = ANY(%(ids)s::uuid[]) AND state IN ('sending', 'gathered')
        RETURNING id
        """,
        {
            "ids": list(ids),
            "leader": ids[0],
            "attempt": attempt,
            "state": state,
            "error": error,
            "now": now,
        },
    )
    return await won(cursor)


async def drop(conn: Connection, ids: Sequence[str], now: datetime) -> None:
    """Note that messages which were taken are not sent: nobody needs them any more."""
    await conn.execute(
        """
        UPDATE messages SET state = 'dropped', due_at = NULL, settled_at = %s
         WHERE id = ANY(%s::uuid[]) AND state IN ('sending', 'gathered')
        """,
        (now, list(ids)),
    )


async def put_off(
    conn: Connection, message_id: str, attempt: int, error: str, until: datetime
) -> bool:
    """Have a message tried again at that moment; False as with `sent`."""
    cursor = await conn.execute(
        """
        UPDATE messages SET state = 'waiting', error = %s, due_at = %s
         WHERE id = %s AND state = 'sending' AND attempts = %s
        RETURNING id
        """,
        (error, until, message_id, attempt),
    )
    return await won(cursor)


async def hold(conn: Connection, channel: str, address: str, until: datetime) -> None:
    """Send nothing to an address before that moment."""
    await conn.execute(
        """
        UPDATE messages SET due_at = %(until)s
         WHERE due_at < %(until)s AND state = 'waiting'
           AND channel = %(channel)s AND address = %(address)s
        """,
        {"channel": channel, "address": address, "until": until},
    )
