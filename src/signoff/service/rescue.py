"""Take over what dead workers left, and what no job has come for."""

from __future__ import annotations

from datetime import timedelta

from signoff.db import threads, workers
from signoff.service.office import Office

FORGOTTEN_AFTER = timedelta(seconds=10)
"""A thread that waits this long for a worker gets another job: its first one may be lost."""

BATCH = 500
"""Threads looked at in one round."""


async def rescue(office: Office) -> int:
    """Free the threads of workers that stopped renewing, and have others go on; how many.

    A worker may be stopped rather than dead, and in the middle of a transaction: its sessions are
    ended, so that its locks are free, and its epochs are past, so that it writes nothing later.
    """
    async with office.database.transaction() as conn:
        dead = await workers.lock_dead(conn)
        freed: dict[str, str] = {}
        if dead:
            await workers.disconnect(conn, list(dead.values()))
            freed = await threads.take_from_dead(conn, list(dead))
            await workers.remove(conn, list(dead))
        freed |= await threads.lock_forgotten(conn, FORGOTTEN_AFTER, BATCH)
        for thread_id, graph in freed.items():
            await office.jobs.look_at(conn, thread_id, graph)
    return len(freed)
