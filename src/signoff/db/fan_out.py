"""The table `fan_out`: up to where the audit has been read for what people are to be told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signoff.db.audit import Cursor, told
from signoff.db.pool import Connection
from signoff.db.request_rows import UNSEEN_COLUMNS, VOTES, with_votes
from signoff.domain.request import Request


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An entry of the audit that somebody may be told of."""

    number: int
    request_id: str
    event: str
    by: str
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """The entries behind a place, where the next page begins, and whether there may be one."""

    entries: list[Entry]
    end: Cursor
    more: bool


async def lock(conn: Connection) -> Cursor | None:
    """Up to where the audit has been read, locked until the transaction ends; None if somebody
    else is reading on right now."""
    cursor = await conn.execute(
        "SELECT xact::text AS xact, number FROM fan_out FOR UPDATE SKIP LOCKED"
    )
    row = await cursor.fetchone()
    return None if row is None else Cursor(int(row["xact"]), row["number"])


async def move(conn: Connection, to: Cursor) -> None:
    """Note that all is read up to a place."""
    await conn.execute(
        "UPDATE fan_out SET xact = %s::text::xid8, number = %s", (str(to.xact), to.number)
    )


async def read(
    conn: Connection, after: Cursor, *, events: Collection[str], since: datetime, limit: int
) -> Page:
    """The entries of these events behind a place that are no older than `since`, in order.

    Only those of transactions before all that are still under way, so that one which commits later
    has a place behind these.
    """
    cursor = await conn.execute(
        """
        SELECT xact::text AS at_xact, number, request_id::text, event, at,
               CASE WHEN request_id IS NOT NULL AND event = ANY(%s) AND at >= %s
               THEN body END AS body, sealed
          FROM audit
         WHERE (xact, number) > (%s::text::xid8, %s)
           AND xact < audit_horizon()
         ORDER BY xact, number LIMIT %s
        """,
        (list(events), since, str(after.xact), after.number, limit),
    )
    rows = await cursor.fetchall()
    entries = [_entry(conn, row) for row in rows if row["body"] is not None]
    end = Cursor(int(rows[-1]["at_xact"]), rows[-1]["number"]) if rows else after
    return Page(entries, end, len(rows) == limit)


async def requests(conn: Connection, ids: Collection[str]) -> dict[str, Request]:
    """These requests as they are now, by their ids, without what is shown: that may be large."""
    cursor = await conn.execute(
        f"SELECT {UNSEEN_COLUMNS}, {VOTES} FROM requests WHERE id = ANY(%s::uuid[])", (list(ids),)
    )
    found = [with_votes(conn, row) async for row in cursor]
    return {request.id: request for request in found}


def _entry(conn: Connection, row: dict[str, Any]) -> Entry:
    body = told(conn, row["body"], row["sealed"])
    return Entry(
        number=row["number"],
        request_id=row["request_id"],
        event=row["event"],
        by=body["by"],
        at=row["at"],
        data=body["data"],
    )
