"""The table `threads`: where each workflow stands. Who may write to it, `leases` says.

Whoever changes a thread or its requests locks the row first: that is what all changes are ordered
by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from signoff.db.pool import Connection, Cursor, Json, won
from signoff.db.sealed import opened, sealed
from signoff.domain.errors import NotSupported
from signoff.domain.thread import Lease, Thread, ThreadStatus, is_thread_id

_COLUMNS = (
    "id, graph, status, state_values, error, metadata, created_at, updated_at, state_updated_at"
)

SORTS = {"created_at", "updated_at", "state_updated_at", "thread_id", "status"}
"""What `search` can sort by."""


def _thread(conn: Connection, row: dict[str, Any]) -> Thread:
    row = opened(conn, "threads", row)
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
    return _thread(conn, row) if row else None


async def record(
    conn: Connection,
    lease: Lease,
    *,
    values: dict[str, Any] | None,
    error: str | None,
    at: datetime,
) -> None:
    """Keep where a run left the thread's state; values of None leave the ones that stand."""
    row = sealed(conn, "threads", {"id": lease.thread_id, "state_values": values, "error": error})
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
            "values": None if values is None else Json(row["state_values"]),
            "error": row["error"],
            "at": at,
            "id": lease.thread_id,
            "epoch": lease.epoch,
        },
    )


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
    await delete_checkpoints(conn, thread_id)
    await conn.execute("DELETE FROM threads WHERE id = %s", (thread_id,))


async def delete_checkpoints(conn: Connection, thread_id: str) -> None:
    """Remove all that LangGraph has stored of a thread."""
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        await conn.execute(
            sql.SQL("DELETE FROM {} WHERE thread_id = %s").format(sql.Identifier(table)),
            (thread_id,),
        )


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
    """Threads that fit all filters and are in sight, and how many there are in all.

    Raises:
        NotSupported: They are looked for by `values`, which are encrypted.
    """
    if values and conn.sealer is not None:
        raise NotSupported("threads cannot be searched by their values, which are encrypted")
    where, params = _where(status=status, metadata=metadata, values=values, ids=ids, sight=sight)
    params |= {"limit": limit, "offset": offset}
    column = {"thread_id": "id"}.get(sort_by, sort_by)
    assert sort_by in SORTS
    direction = "DESC" if descending else "ASC"
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM threads {where} ORDER BY {column} {direction}, id {direction} "
        "LIMIT %(limit)s OFFSET %(offset)s",
        params,
    )
    found = [_thread(conn, row) async for row in cursor]
    counted = await (
        await conn.execute(f"SELECT count(*) AS total FROM threads {where}", params)
    ).fetchone()
    return found, counted["total"] if counted else 0


async def latest(
    conn: Connection,
    *,
    before: tuple[datetime, str] | None,
    status: str | None,
    metadata: dict[str, Any] | None,
    limit: int,
    sight: Sight | None,
) -> list[Thread]:
    """The threads that were created last before a moment and an id, without their values."""
    where, params = _where(status=status, metadata=metadata, sight=sight, before=before)
    columns = _COLUMNS.replace("state_values", "NULL AS state_values")
    cursor = await conn.execute(
        f"SELECT {columns} FROM threads {where} ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
        params | {"limit": limit},
    )
    return [_thread(conn, row) async for row in cursor]


def _where(
    *,
    status: str | None,
    metadata: dict[str, Any] | None,
    sight: Sight | None,
    values: dict[str, Any] | None = None,
    ids: Sequence[str] | None = None,
    before: tuple[datetime, str] | None = None,
) -> tuple[str, dict[str, Any]]:
    wheres: list[str] = []
    params: dict[str, Any] = {}
    if sight is not None:
        wheres.append(_IN_SIGHT)
        params |= sight.params()
    if before is not None:
        wheres.append("(created_at, id) < (%(created_at)s, %(before)s)")
        params |= {"created_at": before[0], "before": before[1]}
    for clause, name, value in (
        ("status = %(status)s", "status", status),
        ("metadata @> %(metadata)s", "metadata", Json(metadata) if metadata else None),
        ("state_values @> %(values)s", "values", Json(values) if values else None),
        ("id = ANY(%(ids)s)", "ids", None if ids is None else list(ids)),
    ):
        if value is not None:
            wheres.append(clause)
            params[name] = value
    return f"WHERE {' AND '.join(wheres)}" if wheres else "", params
