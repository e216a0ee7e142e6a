"""Figures for whoever watches over a desk: cheap enough to be asked for every few seconds.

What is closed is never counted: there may be millions. What has happened is read from the audit,
each entry once, behind the place where it was read last.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from signoff.db.audit import Cursor
from signoff.db.pool import Connection

AT_MOST = 10_000
"""How far is counted of what should be little."""


async def waiting(conn: Connection, now: datetime) -> list[dict[str, Any]]:
    """How many requests are open: `graph`, `kind`, `open`, `overdue`."""
    cursor = await conn.execute(
        """
        SELECT graph, kind, count(*) AS open, count(*) FILTER (WHERE deadline < %s) AS overdue
          FROM requests WHERE state = 'open' GROUP BY graph, kind
        """,
        (now,),
    )
    return await cursor.fetchall()


async def executing(conn: Connection) -> list[dict[str, Any]]:
    """How many runs are queued or running: `graph`, `status`, `runs`."""
    cursor = await conn.execute(
        """
        SELECT graph, status, count(*) AS runs FROM runs
         WHERE status IN ('queued', 'running') GROUP BY graph, status
        """
    )
    return await cursor.fetchall()


async def standing(conn: Connection, now: datetime) -> dict[str, Any]:
    """How the desk stands: `due` requests and how long the `oldest` is due, in seconds; `jobs`
    queued, `workers` alive, threads in `error`. No more of each than `AT_MOST` is counted."""
    cursor = await conn.execute(
        """
        SELECT due.*, jobs.*, alive.*, stuck.*
          FROM (SELECT count(*) AS due,
                       coalesce(extract(epoch FROM %(now)s - min(wake_at)), 0)::float AS oldest
                  FROM (SELECT wake_at FROM requests WHERE wake_at <= %(now)s
                         ORDER BY wake_at LIMIT %(most)s) AS first) AS due,
               (SELECT count(*) AS jobs
                  FROM (SELECT FROM procrastinate_jobs WHERE status = 'todo'
                         LIMIT %(most)s) AS first) AS jobs,
               (SELECT count(*) AS workers FROM workers WHERE alive_until >= now()) AS alive,
               (SELECT count(*) AS errors
                  FROM (SELECT FROM threads WHERE status = 'error' LIMIT %(most)s) AS first
               ) AS stuck
        """,
        {"now": now, "most": AT_MOST},
    )
    row = await cursor.fetchone()
    assert row is not None, "an aggregate has a row"
    return row


async def messages(conn: Connection) -> list[dict[str, Any]]:
    """How many messages wait, are being sent or were given up: `channel`, `state`, `messages`."""
    cursor = await conn.execute(
        """
        SELECT channel, state, count(*) AS messages
          FROM (SELECT channel, state FROM messages WHERE state IN ('waiting', 'sending', 'dead')
                 LIMIT %s) AS first
         GROUP BY channel, state
        """,
        (AT_MOST,),
    )
    return await cursor.fetchall()


async def happened(
    conn: Connection,
    after: Cursor,
    *,
    limit: int,
    deciding: Sequence[float],
    delivering: Sequence[float],
) -> tuple[Cursor, bool, list[dict[str, Any]]]:
    """What the audit tells of behind a place: how far that goes, whether there may be more, and how
    often each was: `event`, `graph`, `kind`, `bucket`, `times`, `seconds`.

    Of a request that was decided or expired, `seconds` are those that it was open, and of one that
    was delivered those since it was closed; `bucket` is the first of these bounds that they are
    under, counted from 0. Only transactions before all that are still under way are looked at.
    """
    cursor = await conn.execute(
        """
        WITH page AS MATERIALIZED (
            SELECT xact, number, event, request_id, at FROM audit
             WHERE (xact, number) > (%(xact)s::text::xid8, %(number)s)
               AND xact < audit_horizon()
             ORDER BY xact, number LIMIT %(limit)s
        ), told AS (
            SELECT event, graph, kind,
                   CASE WHEN event IN ('request.decided', 'request.expired')
                        THEN greatest(0, extract(epoch FROM page.at - opened_at))::float
                        WHEN event = 'request.delivered'
                        THEN greatest(0, extract(epoch FROM page.at - closed_at))::float
                   END AS seconds
              FROM page LEFT JOIN requests ON requests.id = page.request_id
        ), placed AS (
            SELECT event, graph, kind, seconds, width_bucket(seconds,
                   CASE event WHEN 'request.delivered' THEN %(delivering)s::float[]
                              ELSE %(deciding)s::float[] END) AS bucket
              FROM told
        )
        SELECT event, graph, kind, bucket, count(*) AS times, sum(seconds) AS seconds,
               NULL AS xact, NULL AS number
          FROM placed GROUP BY event, graph, kind, bucket
         UNION ALL
        (SELECT NULL, NULL, NULL, NULL, (SELECT count(*) FROM page), NULL, xact::text, number
           FROM page ORDER BY page.xact DESC, page.number DESC LIMIT 1)
        """,
        {
            "xact": str(after.xact),
            "number": after.number,
            "limit": limit,
            "deciding": list(deciding),
            "delivering": list(delivering),
        },
    )
    rows = await cursor.fetchall()
    if not rows:
        return after, False, []
    last = next(row for row in rows if row["event"] is None)
    told = [row for row in rows if row["event"] is not None]
    return Cursor(int(last["xact"]), last["number"]), last["times"] == limit, told
