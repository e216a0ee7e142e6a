"""The table `threads`: who works on each, and may write to it.

A thread is `busy` from the transaction that gives it work until the one that saw nothing left.
Whoever adds work, takes the lease or gives it back locks the row first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from signoff.db.pool import Connection, Json, won
from signoff.domain.errors import LeaseLost
from signoff.domain.thread import Lease, ThreadStatus


async def make_ready(
    conn: Connection,
    thread_id: str,
    *,
    graph: str,
    metadata: dict[str, Any],
    at: datetime,
    worker: int | None,
) -> Lease:
    """Mark an idle, locked thread busy; with a `worker`, hand it the lease at once.

    `metadata` is merged into the thread's.
    """
    cursor = await conn.execute(
        """
        UPDATE threads
           SET status = 'busy', ready_at = now(), work = work + 1, error = NULL, graph = %(graph)s,
               metadata = metadata || %(metadata)s,
               leased_by = %(worker)s, epoch = epoch + (%(worker)s::bigint IS NOT NULL)::int,
               updated_at = %(at)s
         WHERE id = %(id)s AND ready_at IS NULL
        RETURNING epoch
        """,
        {
            "id": thread_id,
            "graph": graph,
            "metadata": Json(metadata),
            "worker": worker,
            "at": at,
        },
    )
    row = await cursor.fetchone()
    assert row is not None, "the caller has locked the thread and seen that it is idle"
    return Lease(thread_id, row["epoch"])


async def add_work(conn: Connection, thread_id: str) -> None:
    """Have the holder of a busy, locked thread look again before it gives the thread back."""
    await conn.execute("UPDATE threads SET work = work + 1 WHERE id = %s", (thread_id,))


async def take(
    conn: Connection, thread_ids: Sequence[str], worker: int
) -> dict[str, tuple[Lease, int]]:
    """Take busy threads that nobody alive holds; none for those where there is nothing to take.

    With each lease comes the epoch before it: 0 where nobody has had the thread yet, and nobody has
    written to it. Jobs that wait to look at a thread are done with
    that. Of several threads, those that somebody has locked are left out.

    The step of the epoch is a random one: this commit may be undone by a crash of the database,
    and what the one who made it still writes must not pass for the next one's.
    """
    cursor = await conn.execute(
        f"""
        WITH free AS MATERIALIZED (
            SELECT id, epoch FROM threads
             WHERE id = ANY(%(ids)s) AND ready_at IS NOT NULL
               AND (leased_by IS NULL OR NOT EXISTS (
                   SELECT 1 FROM workers WHERE workers.id = leased_by AND alive_until >= now()))
               FOR NO KEY UPDATE {"SKIP LOCKED" if len(thread_ids) > 1 else ""}
        ), leased AS (
            UPDATE threads
               SET leased_by = %(worker)s, epoch = free.epoch + 1 + (random() * 1000000)::int
              FROM free WHERE threads.id = free.id
            RETURNING threads.id, threads.epoch, free.epoch AS before
        ), done AS (
            DELETE FROM procrastinate_jobs
             WHERE status = 'todo' AND args ->> 'thread_id' = ANY(%(ids)s)
               AND args ->> 'thread_id' IN (SELECT id FROM leased)
        )
        SELECT id, epoch, before FROM leased
        """,
        {"ids": list(thread_ids), "worker": worker},
    )
    return {row["id"]: (Lease(row["id"], row["epoch"]), row["before"]) async for row in cursor}


async def hold(conn: Connection, lease: Lease) -> int:
    """Lock a thread for the holder of its lease; how often it was given work so far.

    Raises:
        LeaseLost: Somebody else holds the thread by now.
    """
    cursor = await conn.execute(
        "SELECT work FROM threads WHERE id = %s AND epoch = %s FOR NO KEY UPDATE",
        (lease.thread_id, lease.epoch),
    )
    row = await cursor.fetchone()
    if row is None:
        raise LeaseLost(lease.thread_id)
    return int(row["work"])


async def fence(conn: Connection, thread_id: str) -> Lease:
    """Refuse what earlier holders of a thread may still write, that nobody has; the valid lease.

    It is valid for this transaction, which keeps the lock. Whoever remembers the thread from before
    can tell by the epoch that something was written since.
    """
    cursor = await conn.execute(
        "UPDATE threads SET epoch = epoch + 1 WHERE id = %s AND leased_by IS NULL RETURNING epoch",
        (thread_id,),
    )
    row = await cursor.fetchone()
    assert row is not None, "the caller has locked the thread and seen that nobody has it"
    return Lease(thread_id, row["epoch"])


async def release(
    conn: Connection, lease: Lease, *, work: int, status: ThreadStatus | None, at: datetime
) -> bool:
    """Give a thread back on which nothing is left to do; False if it was given work meanwhile.

    A status of None is found out: whether the thread waits for an answer.
    """
    cursor = await conn.execute(
        """
        UPDATE threads
           SET ready_at = NULL, leased_by = NULL, epoch = epoch + 1, updated_at = %(at)s,
               status = coalesce(%(status)s, CASE
                    WHEN error IS NOT NULL THEN 'error'
                    WHEN EXISTS (SELECT 1 FROM requests
                                  WHERE thread_id = threads.id AND state = 'open')
                    THEN 'interrupted' ELSE 'idle' END)
         WHERE id = %(id)s AND epoch = %(epoch)s AND work = %(work)s
        RETURNING pg_notify('signoff', 'threads ' || id)
        """,
        {
            "id": lease.thread_id,
            "epoch": lease.epoch,
            "work": work,
            "status": None if status is None else status.value,
            "at": at,
        },
    )
    return await won(cursor)


async def hand_back(
    conn: Connection, worker: int, thread_ids: Sequence[str] | None
) -> dict[str, str]:
    """Free these threads of a worker, or all that it holds; id and graph of each."""
    cursor = await conn.execute(
        """
        UPDATE threads SET leased_by = NULL, epoch = epoch + 1
         WHERE leased_by = %s AND id = ANY(coalesce(%s, ARRAY[id])) RETURNING id, graph
        """,
        (worker, None if thread_ids is None else list(thread_ids)),
    )
    return {row["id"]: row["graph"] async for row in cursor}


async def take_from_dead(conn: Connection, workers: Sequence[int]) -> dict[str, str]:
    """Free what dead workers hold, and lock them out by a new epoch; id and graph of each.

    So is what a worker holds that was found dead before and did not know it yet. A row that is
    locked right now stays for the next round.
    """
    cursor = await conn.execute(
        """
        WITH held AS (
            SELECT id FROM threads
             WHERE leased_by IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM workers WHERE workers.id = leased_by AND NOT workers.id = ANY(%s))
               FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE threads SET leased_by = NULL, epoch = epoch + 1
          FROM held WHERE threads.id = held.id
        RETURNING threads.id, graph
        """,
        (list(workers),),
    )
    return {row["id"]: row["graph"] async for row in cursor}


async def held_by(conn: Connection, worker: int) -> set[str]:
    """The threads that a worker holds."""
    cursor = await conn.execute("SELECT id FROM threads WHERE leased_by = %s", (worker,))
    return {row["id"] async for row in cursor}


async def pass_on(conn: Connection, lease: Lease, graph: str) -> None:
    """Give a thread back whose next run is of a graph that others serve.

    Raises:
        LeaseLost: Somebody else holds the thread by now.
    """
    cursor = await conn.execute(
        """
        UPDATE threads SET leased_by = NULL, epoch = epoch + 1, graph = %s
         WHERE id = %s AND epoch = %s RETURNING id
        """,
        (graph, lease.thread_id, lease.epoch),
    )
    if not await won(cursor):
        raise LeaseLost(lease.thread_id)


async def lock_forgotten(
    conn: Connection, graphs: Sequence[str], older_than: timedelta, limit: int
) -> dict[str, str]:
    """Busy threads of these graphs that nobody has taken for a while, and that have no job."""
    cursor = await conn.execute(
        """
        UPDATE threads SET ready_at = now()
         WHERE id IN (
            SELECT id FROM threads
             WHERE ready_at < now() - %s AND leased_by IS NULL AND graph = ANY(%s)
               AND id NOT IN (
                   SELECT args ->> 'thread_id' FROM procrastinate_jobs WHERE status = 'todo')
             ORDER BY ready_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
        RETURNING id, graph
        """,
        (older_than, list(graphs), limit),
    )
    return {row["id"]: row["graph"] async for row in cursor}
