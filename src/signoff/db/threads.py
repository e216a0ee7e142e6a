"""The table `threads`: where each workflow stands, and who may write to it.

A thread is `busy` from the transaction that gives it work until the one that saw nothing left.
Whoever adds work, takes the lease or gives it back locks the row first; that lock is what all
changes to a thread and its requests are ordered by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from signoff.db.pool import Connection, Cursor, Json, won
from signoff.domain.errors import LeaseLost
from signoff.domain.thread import Lease, Thread, ThreadStatus, is_thread_id

_COLUMNS = (
    "id, graph, status, state_values, error, metadata, created_at, updated_at, state_updated_at"
)

SORTS = {"created_at", "updated_at", "state_updated_at", "thread_id", "status"}
"""What `search` can sort by."""


def _thread(row: dict[str, Any]) -> Thread:
    return Thread(
        id=row["id"],
        graph=row["graph"],
        status=ThreadStatus(row["status"]),
        values=row["state_values"],
        error=row["error"],
        metadata=row["metadata"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        state_updated_at=row["state_updated_at"],
    )


@dataclass(frozen=True, slots=True)
class Locked:
    """A thread's row, locked: what it is bound to and whether somebody works on it."""

    id: str
    graph: str | None
    busy: bool
    leased: bool
    epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """Which threads somebody may know of: of these graphs, and of none yet if they have made it."""

    graphs: Sequence[str]
    creator: str

    def params(self) -> dict[str, Any]:
        """What the condition is filled with."""
        return {"graphs": list(self.graphs), "creator": self.creator}


_IN_SIGHT = "(graph = ANY(%(graphs)s) OR (graph IS NULL AND created_by = %(creator)s))"


async def is_seen(conn: Connection, thread_id: str, sight: Sight) -> bool | None:
    """Whether somebody may know of a thread; None if there is none."""
    if not is_thread_id(thread_id):
        return None
    cursor = await conn.execute(
        f"SELECT {_IN_SIGHT} IS TRUE AS seen FROM threads WHERE id = %(id)s",
        {"id": thread_id, **sight.params()},
    )
    row = await cursor.fetchone()
    return row["seen"] if row else None


async def insert(
    conn: Connection,
    thread_id: str,
    *,
    graph: str | None,
    metadata: dict[str, Any],
    at: datetime,
    by: str | None = None,
) -> bool:
    """A new idle thread, made by somebody; False, and nothing changed, if it exists."""
    cursor = await conn.execute(
        """
        INSERT INTO threads
               (id, graph, metadata, created_by, created_at, updated_at, state_updated_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING RETURNING id
        """,
        (thread_id, graph, Json(metadata), by, at, at, at),
    )
    return await won(cursor)


async def lock(conn: Connection, thread_id: str) -> Locked | None:
    """Lock the thread's row until the transaction ends; None if there is no such thread."""
    if not is_thread_id(thread_id):
        return None
    return await locked(await conn.execute(f"{_LOCK} WHERE id = %s {_FOR}", (thread_id,)))


async def lock_of_request(conn: Connection, request_id: str) -> Cursor:
    """Lock the thread of a request; `locked` reads the answer, once it is wanted."""
    return await conn.execute(
        f"{_LOCK} WHERE id = (SELECT thread_id FROM requests WHERE id = %s) {_FOR}", (request_id,)
    )


async def locked(cursor: Cursor) -> Locked | None:
    """What a locking statement found."""
    row = await cursor.fetchone()
    return Locked(**row) if row else None


_LOCK = """
    SELECT id, graph, ready_at IS NOT NULL AS busy, leased_by IS NOT NULL AS leased, epoch
      FROM threads
"""
_FOR = "FOR NO KEY UPDATE"


async def get(conn: Connection, thread_id: str) -> Thread | None:
    """One thread."""
    if not is_thread_id(thread_id):
        return None
    cursor = await conn.execute(f"SELECT {_COLUMNS} FROM threads WHERE id = %s", (thread_id,))
    row = await cursor.fetchone()
    return _thread(row) if row else None


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


async def lease(
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


async def record(
    conn: Connection,
    lease: Lease,
    *,
    values: dict[str, Any] | None,
    error: str | None,
    at: datetime,
) -> None:
    """Keep where a run left the thread's state; values of None leave the ones that stand."""
    await conn.execute(
        """
        UPDATE threads
           SET state_values = coalesce(%(values)s, state_values), error = %(error)s,
               updated_at = %(at)s,
               state_updated_at = CASE WHEN %(values)s::jsonb IS NULL THEN state_updated_at
                                       ELSE %(at)s END
         WHERE id = %(id)s AND epoch = %(epoch)s
        """,
        {
            "values": None if values is None else Json(values),
            "error": error,
            "at": at,
            "id": lease.thread_id,
            "epoch": lease.epoch,
        },
    )


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


async def rest(conn: Connection, thread_id: str, *, at: datetime) -> None:
    """Set an idle thread's status by whether it waits for an answer."""
    await conn.execute(
        """
        UPDATE threads
           SET updated_at = %(at)s, status = CASE WHEN EXISTS (
                SELECT 1 FROM requests WHERE thread_id = threads.id AND state = 'open'
               ) THEN 'interrupted' ELSE 'idle' END
         WHERE id = %(id)s AND ready_at IS NULL
        """,
        {"id": thread_id, "at": at},
    )


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


async def update_metadata(
    conn: Connection, thread_id: str, metadata: dict[str, Any], at: datetime
) -> bool:
    """Merge into a thread's metadata; False if there is no such thread."""
    cursor = await conn.execute(
        """
        UPDATE threads SET metadata = metadata || %s, updated_at = %s WHERE id = %s RETURNING id
        """,
        (Json(metadata), at, thread_id),
    )
    return await won(cursor)


async def delete(conn: Connection, thread_id: str) -> None:
    """Remove a thread with its runs, requests, effects and checkpoints. Its audit stays."""
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        await conn.execute(
            sql.SQL("DELETE FROM {} WHERE thread_id = %s").format(sql.Identifier(table)),
            (thread_id,),
        )
    await conn.execute("DELETE FROM threads WHERE id = %s", (thread_id,))


async def search(
    conn: Connection,
    *,
    status: str | None = None,
    metadata: dict[str, Any] | None = None,
    values: dict[str, Any] | None = None,
    ids: Sequence[str] | None = None,
    limit: int = 10,
    offset: int = 0,
    sort_by: str = "created_at",
    descending: bool = True,
    sight: Sight | None = None,
) -> tuple[list[Thread], int]:
    """Threads that fit all filters and are in sight, and how many there are in all."""
    wheres: list[str] = []
    params: dict[str, Any] = {"limit": limit, "offset": offset}
    if sight is not None:
        wheres.append(_IN_SIGHT)
        params |= sight.params()
    for clause, name, value in (
        ("status = %(status)s", "status", status),
        ("metadata @> %(metadata)s", "metadata", Json(metadata) if metadata else None),
        ("state_values @> %(values)s", "values", Json(values) if values else None),
        ("id = ANY(%(ids)s)", "ids", None if ids is None else list(ids)),
    ):
        if value is not None:
            wheres.append(clause)
            params[name] = value
    where = f"WHERE {' AND '.join(wheres)}" if wheres else ""
    column = {"thread_id": "id"}.get(sort_by, sort_by)
    assert sort_by in SORTS
    direction = "DESC" if descending else "ASC"
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM threads {where} ORDER BY {column} {direction}, id {direction} "
        "LIMIT %(limit)s OFFSET %(offset)s",
        params,
    )
    found = [_thread(row) async for row in cursor]
    counted = await (
        await conn.execute(f"SELECT count(*) AS total FROM threads {where}", params)
    ).fetchone()
    return found, counted["total"] if counted else 0
