"""The table `audit`: append only. A trigger numbers and chains the entries of each thread."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import orjson

from signoff.db.pool import Connection, Json
from signoff.db.sealed import beside
from signoff.domain.audit import SOMETIMES, AuditEntry


class Cursor(NamedTuple):
    """A place in the order of all entries."""

    xact: int
    number: int


def entry_json(
    conn: Connection, seq: int, hash: str, body: str, sealed: str | None
) -> dict[str, Any]:
    """An entry as it is shown: its place in the chain, and all that it says.

    Raises:
        CannotDecrypt: What it keeps sealed is not what was chained.
    """
    return {"seq": seq, "hash": hash, **dict.fromkeys(SOMETIMES), **told(conn, body, sealed)}


def told(conn: Connection, body: str, sealed: str | None) -> dict[str, Any]:
    """What an entry says, with what it keeps sealed.

    Raises:
        CannotDecrypt: That is not what was chained.
    """
    content: dict[str, Any] = orjson.loads(body)
    if "sealed" in content:
        said = orjson.loads(beside(conn, content, sealed))
        for name in said.keys() & {"data", "before", "after"}:
            content[name] = {**content[name], **said[name]}
        del content["sealed"]
    return content


def row(entry: AuditEntry) -> dict[str, Any]:
    """An entry as a row of `signoff.db.group`."""
    return {
        "thread_id": entry.thread_id,
        "request_id": entry.request_id,
        "event": entry.event,
        "body": orjson.dumps(entry.body(), option=orjson.OPT_SORT_KEYS).decode(),
        "at": entry.at,
    }


def sealed_row(conn: Connection, entry: AuditEntry) -> dict[str, Any]:
    """An entry as it is stored."""
    return row(entry) if conn.sealer is None else conn.sealer.seal_entry(row(entry))


async def append(conn: Connection, *entries: AuditEntry) -> None:
    """Add entries, in this order, in the transaction of the change that they tell of."""
    if entries:
        await conn.execute(
            """
            INSERT INTO audit (thread_id, request_id, event, body, sealed, at)
            SELECT thread_id, request_id, event, body, sealed, at
              FROM ROWS FROM (jsonb_to_recordset(%s) AS (
                thread_id text, request_id uuid, event text, body text, sealed text,
                at timestamptz)
              ) WITH ORDINALITY AS row (thread_id, request_id, event, body, sealed, at, number)
             ORDER BY number
            """,
            (Json([sealed_row(conn, entry) for entry in entries]),),
        )


async def take_turns(conn: Connection, thread_id: str) -> None:
    """Let nobody else who asks so add to a chain until the end of the transaction."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"audit {thread_id}",)
    )


async def newest(conn: Connection, thread_id: str) -> dict[str, Any] | None:
    """The last entry of a chain."""
    cursor = await conn.execute(
        "SELECT seq, hash, body, sealed FROM audit WHERE thread_id = %s ORDER BY seq DESC LIMIT 1",
        (thread_id,),
    )
    row = await cursor.fetchone()
    return None if row is None else _entry(conn, row)


async def of_request(conn: Connection, request_id: str) -> list[dict[str, Any]]:
    """The entries of one request, in order: ``seq``, ``hash``, and the fields of the body."""
    cursor = await conn.execute(
        "SELECT seq, hash, body, sealed FROM audit WHERE request_id = %s ORDER BY seq",
        (request_id,),
    )
    return [_entry(conn, row) async for row in cursor]


async def of_thread(
    conn: Connection, thread_id: str, *, after: int = 0, limit: int = 200
) -> list[dict[str, Any]]:
    """The entries of one thread after number `after`, in order."""
    cursor = await conn.execute(
        """
        SELECT seq, hash, body, sealed FROM audit
         WHERE thread_id = %s AND seq > %s ORDER BY seq LIMIT %s
        """,
        (thread_id, after, limit),
    )
    return [_entry(conn, row) async for row in cursor]


async def graphs_of(conn: Connection, thread_id: str) -> set[str]:
    """The graphs that ever ran on a thread, or on one that had its id before."""
    cursor = await conn.execute(
        """
        SELECT DISTINCT body::jsonb #>> '{data,graph}' AS graph FROM audit
         WHERE thread_id = %s AND event = 'run.created'
        """,
        (thread_id,),
    )
    return {row["graph"] async for row in cursor}


async def now(conn: Connection) -> Cursor:
    """The place behind all that is committed and told of by now; what is under way comes after."""
    cursor = await conn.execute("SELECT audit_horizon()::text AS xact")
    row = await cursor.fetchone()
    assert row is not None, "a SELECT without FROM has a row"
    return Cursor(int(row["xact"]), 0)


async def of_requests(
    conn: Connection, after: Cursor, *, limit: int, graphs: Collection[str] | None = None
) -> list[tuple[Cursor, dict[str, Any] | None]]:
    """The entries about requests behind a place, in the order of their transactions.

    With `graphs`, None stands for what is about a request of another graph, or of one that is not
    there any more. Only those of transactions before all that are still under way, whoever's they
    are: so one that commits later has a place behind these.
    """
    seen = None if graphs is None else list(graphs)
    cursor = await conn.execute(
        """
        SELECT xact::text AS at_xact, number, seq, hash,
               CASE WHEN %s::text[] IS NULL OR EXISTS (
                    SELECT 1 FROM requests WHERE id = request_id AND graph = ANY(%s))
               THEN body END AS body, sealed
          FROM audit
         WHERE request_id IS NOT NULL AND (xact, number) > (%s::text::xid8, %s)
           AND xact < audit_horizon()
         ORDER BY xact, number LIMIT %s
        """,
        (seen, seen, str(after.xact), after.number, limit),
    )
    return [
        (
            Cursor(int(row["at_xact"]), row["number"]),
            None if row["body"] is None else _entry(conn, row),
        )
        async for row in cursor
    ]


def _entry(conn: Connection, row: dict[str, Any]) -> dict[str, Any]:
    return entry_json(conn, row["seq"], row["hash"], row["body"], row["sealed"])
