"""The table `stream_events`: what runs have streamed, for those who follow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson

from signoff.db.pool import Connection
from signoff.db.sealed import opened, sealed

PAGE = 500
"""The most events read at once."""

PAGE_SIZE = 1024 * 1024
"""Bytes of events after which a page has no more."""

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
    given = row(thread_id, run_id, event, data)
    cursor = await conn.execute(
        """
        SELECT data FROM stream_events
         WHERE thread_id = %(thread_id)s AND run_id = %(run_id)s AND event = %(event)s
        """,
        given,
    )
    if data not in [opened(conn, "events", given | found)["data"] async for found in cursor]:
        await conn.execute(
            """
            INSERT INTO stream_events (thread_id, run_id, event, data)
            VALUES (%(thread_id)s, %(run_id)s, %(event)s, %(data)s)
            """,
            sealed(conn, "events", given),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a reader is: behind the event with this id, of a thread or of one of its runs."""

    thread_id: str
    after: int
    run_id: str | None = None


@dataclass(slots=True)
class Page:
    """The events behind a place, in order; whether there are `more` behind them."""

    events: list[StreamEvent] = field(default_factory=list)
    more: bool = False


async def pages(conn: Connection, places: Sequence[Place]) -> list[Page]:
    """The page behind each of these places: some events, and not much more than a megabyte."""
    cursor = await conn.execute(
        """
        SELECT number - 1 AS place, page.* FROM unnest(
                %(threads)s::text[], %(ids)s::bigint[], %(runs)s::uuid[]
               ) WITH ORDINALITY AS asked (thread_id, after, run_id, number)
         CROSS JOIN LATERAL (
                SELECT *, count(*) OVER () AS found,
                       sum(octet_length(data)) OVER (ORDER BY id) - octet_length(data) AS before
                  FROM (SELECT id, run_id, event, data FROM stream_events
                         WHERE thread_id = asked.thread_id AND id > asked.after
                           AND (asked.run_id IS NULL OR run_id = asked.run_id)
                         ORDER BY id LIMIT %(limit)s) AS events) AS page
         WHERE before <= %(size)s
         ORDER BY number, id
        """,
        {
            "threads": [each.thread_id for each in places],
            "ids": [each.after for each in places],
            "runs": [each.run_id for each in places],
            "limit": PAGE,
            "size": PAGE_SIZE,
        },
    )
    answers = [Page() for _ in places]
    async for found in cursor:
        page, thread_id = answers[found["place"]], places[found["place"]].thread_id
        found = opened(conn, "events", {**found, "thread_id": thread_id})
        page.events.append(
            StreamEvent(found["id"], str(found["run_id"]), found["event"], found["data"])
        )
        page.more = found["found"] == PAGE or found["found"] > len(page.events)
    return answers


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
