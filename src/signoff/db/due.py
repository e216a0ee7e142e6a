"""Requests that are due: claimed, read and kept, many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from signoff.db.pool import Connection, Json
from signoff.db.request_rows import UNSEEN_COLUMNS, passing, with_votes
from signoff.db.sealed import text
from signoff.domain.request import Request

ANY = "SELECT id FROM requests WHERE wake_at <= %s ORDER BY wake_at LIMIT 1"
"""One look at an index; while nothing is due, it is all that the duty does."""

CLAIM = """
    SELECT requests.id FROM requests JOIN threads ON threads.id = thread_id
     WHERE wake_at <= %s ORDER BY wake_at LIMIT %s
       FOR NO KEY UPDATE OF threads SKIP LOCKED
"""


async def any_due(conn: Connection, now: datetime) -> bool:
    """Whether anything is due by now."""
    return await (await conn.execute(ANY, (now,))).fetchone() is not None


async def claim(conn: Connection, now: datetime, limit: int) -> list[str]:
    """The requests that are due by now, the most overdue first, with their threads locked.

    What somebody else has locked is left out: another duty sees to it, or it is changing and can
    be looked at again in a moment.
    """
    cursor = await conn.execute(CLAIM, (now, limit))
    return [str(row["id"]) async for row in cursor]


async def read(
    conn: Connection, ids: Sequence[str], now: datetime
) -> tuple[list[Request], dict[str, Exception]]:
    """Those of these requests that are still due, and for the ones that cannot be read, why.

    They come without what they show, and without their votes: time does not look at these.
    """
    cursor = await conn.execute(
        f"""
        SELECT {UNSEEN_COLUMNS}, '[]'::jsonb AS votes FROM requests
         WHERE id = ANY(%s::uuid[]) AND wake_at <= %s
        """,
        (list(ids), now),
    )
    found, unreadable = [], {}
    for row in await cursor.fetchall():
        try:
            found.append(with_votes(conn, row))
        except Exception as error:
            unreadable[str(row["id"])] = error
    return found, unreadable


async def keep(conn: Connection, changed: Sequence[tuple[Request, Request]]) -> int:
    """Keep what time has made of open requests, before and after it; how many were as before."""
    if not changed:
        return 0
    cursor = await conn.execute(
        """
        UPDATE requests
           SET priority = row.priority, audience = row.audience, timetable = row.timetable,
               wake_at = row.wake_at, version = requests.version + 1
          FROM jsonb_to_recordset(%s) AS row (
            id uuid, version int, priority smallint, audience text[], timetable jsonb,
            wake_at timestamptz)
         -- IS TRUE keeps the planner to the ids: it must not go through all that is open.
         WHERE requests.id = row.id AND requests.version = row.version
           AND (requests.state = 'open') IS TRUE
        RETURNING requests.id
        """,
        (
            Json(
                [
                    {
                        "id": after.id,
                        "version": before.version,
                        "wake_at": after.wake_at,
                        **passing(after),
                    }
                    for before, after in changed
                ]
            ),
        ),
    )
    return len(await cursor.fetchall())


async def put_off(conn: Connection, errors: Mapping[str, Exception], now: datetime) -> None:
    """Look at requests again in a while, whose handling raised; the error is kept with them."""
    if not errors:
        return
    await conn.execute(
        """
        UPDATE requests SET wake_at = %s::timestamptz + interval '10 minutes', remark = row.remark
          FROM unnest(%s::uuid[], %s::text[]) AS row (id, remark)
         WHERE requests.id = row.id AND (state = 'open') IS TRUE
        """,
        (
            now,
            list(errors),
            [
                text(conn, "requests", "remark", _remark(error), id_)
                for id_, error in errors.items()
            ],
        ),
    )


def _remark(error: Exception) -> str:
    said = str(error).replace("\0", "") or type(error).__name__
    return f"Something that was due could not be done: {said}"[:1000]
