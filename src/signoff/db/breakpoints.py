"""Stops before and after nodes, in LangGraph's table `checkpoints`."""

from __future__ import annotations

from signoff.db.pool import Connection, won


async def mark_passed(
    conn: Connection, thread_id: str, *, checkpoint_ns: str, checkpoint_id: str
) -> bool:
    """Note in a checkpoint that its breakpoint is passed, just as LangGraph does it in the next
    one; False if there is no such checkpoint."""
    cursor = await conn.execute(
        """
        UPDATE checkpoints
           SET checkpoint = jsonb_set(
                checkpoint, '{versions_seen,__interrupt__}', checkpoint -> 'channel_versions')
         WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = %s
        RETURNING checkpoint_id
        """,
        (thread_id, checkpoint_ns, checkpoint_id),
    )
    return await won(cursor)
