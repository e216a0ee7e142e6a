"""Read the audit part by part: one chain, or all of them in the order of their transactions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from signoff.db.audit import Cursor, entry_json
from signoff.db.pool import Connection
from signoff.db.threads import Sight

BEGINNING, END = Cursor(0, 0), Cursor(2**63 - 1, 2**63 - 1)

NOT_LATER = timedelta(minutes=10)
"""How much later than an entry's time its transaction may begin, or clocks may differ."""

NEAR = 16
"""Transactions that are rather gone through than looked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which entries are wanted. With `sight`, of threads that one may know all of; without
    `beside`, of threads alone."""

    request_id: str | None = None
    events: Collection[str] | None = None
    since: datetime | None = None
    sight: Sight | None = None
    beside: bool = True

    def params(self) -> dict[str, Any]:
        """What `_WANTED` and `_SEEN` are filled with."""
        return {
            "request": self.request_id,
            "events": None if self.events is None else list(self.events),
            "since": self.since,
            "beside": self.beside,
            "limited": self.sight is not None,
            **({"graphs": [], "creator": ""} if self.sight is None else self.sight.params()),
        }


_WANTED = """
    (%(request)s::uuid IS NULL OR request_id = %(request)s)
    AND (%(events)s::text[] IS NULL OR event = ANY(%(events)s))
    AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
    """

# As `signoff.service.sight.check_audit` has it.
_SEEN = """
    (%(beside)s OR thread_id NOT LIKE '#%%') AND (NOT %(limited)s OR (
        coalesce(
            (SELECT (graph = ANY(%(graphs)s) OR (graph IS NULL AND created_by = %(creator)s))
                    IS TRUE FROM threads WHERE id = met.thread_id),
            EXISTS (SELECT FROM audit AS run
                     WHERE run.thread_id = met.thread_id AND run.event = 'run.created'))
        AND NOT EXISTS (
            SELECT FROM audit AS run
             WHERE run.thread_id = met.thread_id AND run.event = 'run.created'
               AND (run.body::jsonb #>> '{data,graph}' = ANY(%(graphs)s)) IS NOT TRUE)))
    """

Scanned = list[tuple[Cursor, dict[str, Any] | None]]
"""Entries with their places; None stands for one that is not wanted, or not to be known of."""


async def everything(
    conn: Connection, place: Cursor, wanted: Filter, *, limit: int, backwards: bool = False
) -> Scanned:
    """So many entries behind a place, in the order of their transactions; or before it, backwards.

    Forwards, only those of transactions before all that are still under way: what commits later
    then has a place behind these.
    """
    order = "xact DESC, number DESC" if backwards else "xact, number"
    cursor = await conn.execute(
        f"""
        WITH part AS MATERIALIZED (
            SELECT xact, number, thread_id, request_id, event, at, seq, hash, body, sealed
              FROM audit
             WHERE (xact, number) {"<" if backwards else ">"} (%(xact)s::text::xid8, %(number)s)
                   {"" if backwards else "AND xact < audit_horizon()"}
             ORDER BY {order} LIMIT %(limit)s
        ), seen AS MATERIALIZED (
            SELECT thread_id FROM (SELECT DISTINCT thread_id FROM part) AS met WHERE {_SEEN}
        )
        SELECT xact::text AS xact, number, seq, hash,
               CASE WHEN {_WANTED} AND thread_id IN (SELECT thread_id FROM seen) THEN body END
                    AS body, sealed
          FROM part ORDER BY {order.replace("xact", "part.xact")}
        """,
        {
            "xact": str(place.xact),
            "number": place.number,
            "limit": limit,
            **wanted.params(),
        },
    )
    return [(Cursor(int(row["xact"]), row["number"]), _entry(conn, row)) async for row in cursor]


async def chain(
    conn: Connection,
    thread_id: str,
    place: Cursor,
    wanted: Filter,
    *,
    limit: int,
    backwards: bool = False,
) -> Scanned:
    """So many entries of one chain behind a place, whose number is an entry's `seq`."""
    cursor = await conn.execute(
        f"""
        SELECT seq, hash, CASE WHEN {_WANTED} THEN body END AS body, sealed FROM audit
         WHERE thread_id = %(thread)s AND seq {"<" if backwards else ">"} %(seq)s
         ORDER BY seq {"DESC" if backwards else ""} LIMIT %(limit)s
        """,
        {"thread": thread_id, "seq": place.number, "limit": limit, **wanted.params()},
    )
    return [(Cursor(0, row["seq"]), _entry(conn, row)) async for row in cursor]


async def place_before(conn: Connection, at: datetime) -> Cursor:
    """A place that all entries since then are behind, and few others.

    Entries have no index by their time, which would cost each of them when it is written. Their
    transactions are in its order, nearly: so the place is found by halving.
    """
    at -= NOT_LATER
    low, high = 0, await _last_transaction(conn) + 1
    while high - low > NEAR:
        middle = (low + high) // 2
        cursor = await conn.execute(
            """
            SELECT at FROM audit WHERE (xact, number) >= (%s::text::xid8, 0)
             ORDER BY xact, number LIMIT 1
            """,
            (str(middle),),
        )
        row = await cursor.fetchone()
        if row is None or row["at"] >= at:
            high = middle
        else:
            low = middle
    return Cursor(low, 0)


async def _last_transaction(conn: Connection) -> int:
    cursor = await conn.execute(
        "SELECT xact::text AS last FROM audit ORDER BY xact DESC, number DESC LIMIT 1"
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row["last"])


def _entry(conn: Connection, row: dict[str, Any]) -> dict[str, Any] | None:
    if row["body"] is None:
        return None
    return entry_json(conn, row["seq"], row["hash"], row["body"], row["sealed"])
