"""How the outcomes of requests fare on their way to the graph, in the table `requests`."""

from __future__ import annotations

from datetime import datetime

from signoff.db.pool import Connection, won
from signoff.db.sealed import text
from signoff.domain.request import Delivery


async def deliver_task(
    conn: Connection, thread_id: str, task_id: str, *, below: int, at: datetime
) -> list[str]:
    """Record that a task has taken the outcomes of its first questions; the ids of those."""
    cursor = await conn.execute(
        """
        UPDATE requests SET delivery = 'delivered', delivery_error = NULL, delivered_at = %s
         WHERE thread_id = %s AND task_id = %s AND position < %s
           AND delivery IN ('pending', 'failed')
        RETURNING id
        """,
        (at, thread_id, task_id, below),
    )
    return [str(row["id"]) async for row in cursor]


async def settle(
    conn: Connection, request_id: str, *, delivery: Delivery, error: str | None, at: datetime
) -> bool:
    """Record how the delivery of an outcome went; False if it was delivered before."""
    cursor = await conn.execute(
        """
        UPDATE requests
           SET delivery = %(delivery)s, delivery_error = %(error)s,
               delivered_at = CASE WHEN %(delivery)s = 'delivered' THEN %(at)s::timestamptz END
         WHERE id = %(id)s AND delivery IN ('pending', 'failed')
        RETURNING id
        """,
        {
            "id": request_id,
            "delivery": delivery.value,
            "error": _error(conn, error, request_id),
            "at": at,
        },
    )
    return await won(cursor)


async def fail_delivery(conn: Connection, request_id: str, error: str) -> None:
    """Show on a request that its answer could not be given, or that the graph failed with it.

    Or that it could not be asked anew.
    """
    await conn.execute(
        """
        UPDATE requests SET delivery = 'failed', delivery_error = %s
         WHERE id = %s AND (delivery <> 'none' OR voided)
        """,
        (_error(conn, error, request_id), request_id),
    )


async def fail_pending(conn: Connection, thread_id: str, error: str) -> list[str]:
    """Show on a thread's requests that their outcomes are not going to be delivered; their ids."""
    cursor = await conn.execute(
        """
        SELECT id FROM requests WHERE thread_id = %s AND delivery = 'pending' FOR UPDATE
        """,
        (thread_id,),
    )
    ids = [str(row["id"]) async for row in cursor]
    await conn.execute(
        """
        UPDATE requests SET delivery = 'failed', delivery_error = row.error
          FROM unnest(%s::uuid[], %s::text[]) AS row (id, error) WHERE requests.id = row.id
        """,
        (ids, [_error(conn, error, each) for each in ids]),
    )
    return ids


async def redeliver(conn: Connection, request_id: str, *, void: bool) -> None:
    """Put a failed delivery back to pending; or, with `void`, never use its answer again."""
    await conn.execute(
        """
        UPDATE requests
           SET delivery = %s, delivery_error = NULL, voided = voided OR %s
         WHERE id = %s AND delivery = 'failed'
        """,
        ((Delivery.NONE if void else Delivery.PENDING).value, void, request_id),
    )


async def put_aside(conn: Connection, request_id: str, remark: str) -> None:
    """Never use an outcome: the node asks something else by now."""
    await conn.execute(
        """
        UPDATE requests
           SET delivery = 'none', delivery_error = NULL, voided = true, remark = %s
         WHERE id = %s AND delivery IN ('pending', 'failed')
        """,
        (text(conn, "requests", "remark", remark, request_id), request_id),
    )


def _error(conn: Connection, error: str | None, request_id: str) -> str | None:
    return text(conn, "requests", "delivery_error", error, request_id)
