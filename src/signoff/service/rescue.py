"""Take over what dead workers left, and what no job has come for."""

from __future__ import annotations

from datetime import timedelta

from signoff.db import leases, workers
from signoff.service.office import Office

BATCH = 500
"""Threads looked at in one round."""


async def rescue(office: Office, me: int | None, *, forgotten_after: timedelta) -> int:
    """Free the threads of workers that stopped renewing, and have others go on; how many.

    So it is with threads that have waited for longer than `forgotten_after` with no job to bring
    them to a worker: one has died between the job and its thread.

    A worker may be stopped rather than dead, and in the middle of a transaction: its sessions are
    ended, so that its locks are free, and its epochs are past, so that it writes nothing later.
    `me` is the worker that does all this, and so is not dead, whatever its renewals say.

    A thread that nobody takes is helped only by a worker that has room and serves its graph:
    where all are busy, its job is not lost but has to wait.
    """
    async with office.database.transaction() as conn:
        dead = await workers.lock_dead(conn, but=me)
        if dead:
            await workers.disconnect(conn, list(dead.values()))
        freed = await leases.take_from_dead(conn, list(dead))
        await workers.remove(conn, list(dead))
        if office.hand is not None and office.hand.reach_out() is not None:
            freed |= await leases.lock_forgotten(conn, list(office.catalog), forgotten_after, BATCH)
        for thread_id, graph in freed.items():
            await office.jobs.look_at(conn, thread_id, graph)
    return len(freed)
