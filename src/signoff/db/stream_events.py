"""The table `stream_events`: what runs have streamed, for those who follow them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from signoff.db.pool import Connection

DELETED_AT_ONCE = 10_000
"""Rows deleted in one statement, so that none takes long."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Something that a run has streamed. `text` is its JSON, as it goes out."""

    id: int
    run_id: str
    event: str
    text: str

    @property
    def data(self) -> Any:
        """What it says."""
        return orjson.loads(self.text)


def row(thread_id: str, run_id: str, event: str, data: str) -> dict[str, Any]:
    """An event as a row of `signoff.db.group`."""
    return {"thread_id": thread_id, "run_id": run_id, "event": event, "data": data}


async def append(conn: Connection, thread_id: str, run_id: str, event: str, data: str) -> None:
    """One event of a run, of a thread that is held; nothing if there is one just like it."""
    await conn.execute(
        """
        INSERT INTO stream_events (thread_id, run_id, event, data)
        SELECT %(thread_id)s, %(run_id)s, %(event)s, %(data)s
         WHERE NOT EXISTS (
            SELECT 1 FROM stream_events
             WHERE thread_id = %(thread_id)s AND run_id = %(run_id)s AND event = %(event)s
               AND data = %(data)s)
        """,
        {"thread_id": thread_id, "run_id": run_id, "event": event, "data": data},
    )


async def after(
    conn: Connection, thread_id: str, id: int, *, run_id: str | None, limit: int
) -> list[StreamEvent]:
    """The events of a thread, or of one of its runs, behind this one, in order."""
    cursor = await conn.execute(
        """
        SELECT id, run_id, event, data FROM stream_events
         WHERE thread_id = %(thread_id)s AND id > %(id)s
           AND (%(run_id)s::uuid IS NULL OR run_id = %(run_id)s::uuid)
         ORDER BY id LIMIT %(limit)s
        """,
        {"thread_id": thread_id, "id": id, "run_id": run_id, "limit": limit},
    )
    return [
        StreamEvent(row["id"], str(row["run_id"]), row["event"], row["data"])
        async for row in cursor
    ]


async def last(conn: Connection, thread_id: str) -> int:
    """The id of the thread's newest event; 0 if none is kept."""
    cursor = await conn.execute(
        "SELECT coalesce(max(id), 0) AS id FROM stream_events WHERE thread_id = %s", (thread_id,)
    )
    found = await cursor.fetchone()
    return int(found["id"]) if found else 0


async def delete_old(conn: Connection, older_than: timedelta) -> bool:
    """Delete some of what is older; whether there may be more."""
    cursor = await conn.execute(
        """
        WITH old AS (
            SELECT thread_id, id FROM stream_events WHERE at < now() - %s ORDER BY at LIMIT %s
        )
        DELETE FROM stream_events USING old
         WHERE stream_events.thread_id = old.thread_id AND stream_events.id = old.id
        """,
        (older_than, DELETED_AT_ONCE),
    )
    return cursor.rowcount == DELETED_AT_ONCE
