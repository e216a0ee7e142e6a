"""The table `runs`: each execution on a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signoff.db import audit
from signoff.db.pool import Connection, Json, won
from signoff.db.sealed import opened, sealed, text
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import LeaseLost
from signoff.domain.run import Run, RunKind, RunStatus
from signoff.domain.thread import Lease, is_thread_id
from signoff.ids import is_id

_COLUMNS = (
    "id, thread_id, graph, kind, status, by, input, config, context, metadata, options, "
    "fork_from, attempt, error, traceparent, created_at, updated_at"
)


def _run(conn: Connection, row: dict[str, Any]) -> Run:
    row = opened(conn, "runs", row)
    return Run(
        **{
            **row,
            "id": str(row["id"]),
            "kind": RunKind(row["kind"]),
            "status": RunStatus(row["status"]),
        }
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """Where a run stands, and, once it has ended, where it left its thread.

    `left` says that nobody works on the thread for this run any more. `interrupts` are the pauses
    that the graph has no answer to yet, as LangGraph's server lists them: ``value``, ``id`` and
    ``response_schema``.
    """

    status: RunStatus
    left: bool
    error: str | None
    values: Any
    interrupts: list[dict[str, Any]]

    @property
    def ended(self) -> bool:
        """Whether the run is paused, has ended or was cancelled, and its worker is done with it."""
        return self.left and self.status not in (RunStatus.QUEUED, RunStatus.RUNNING)


async def insert(conn: Connection, run: Run) -> bool:
    """A new run; False, and nothing changed, if it is a resume and one is queued already."""
    given = {"input": run.input, "config": run.config, "context": run.context, "error": run.error}
    row = sealed(conn, "runs", {**given, "id": run.id, "thread_id": run.thread_id})
    cursor = await conn.execute(
        f"""
        INSERT INTO runs ({_COLUMNS})
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (thread_id) WHERE status = 'queued' AND kind = 'resume' DO NOTHING
        RETURNING id
        """,
        (
            run.id,
            run.thread_id,
            run.graph,
            run.kind.value,
            run.status.value,
            run.by,
            None if run.input is None else Json(row["input"]),
            Json(row["config"]),
            None if run.context is None else Json(row["context"]),
            Json(run.metadata),
            Json(run.options),
            run.fork_from,
            run.attempt,
            row["error"],
            run.traceparent,
            run.created_at,
            run.updated_at,
        ),
    )
    return await won(cursor)


async def get(conn: Connection, thread_id: str, run_id: str) -> Run | None:
    """One run of a thread."""
    if not is_thread_id(thread_id) or not is_id(run_id):
        return None
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE thread_id = %s AND id = %s", (thread_id, run_id)
    )
    row = await cursor.fetchone()
    return _run(conn, row) if row else None


async def endings(
    conn: Connection, asked: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Ending]:
    """How runs have ended and where they left their threads.

    They are asked for by thread and run, and those that are not there are left out.
    """
    asked = [each for each in asked if is_thread_id(each[0]) and is_id(each[1])]
    cursor = await conn.execute(
        """
        SELECT runs.thread_id, runs.id, runs.status, runs.error,
               -- A cancelled one keeps its worker until that has stopped, and nobody else begins.
               threads.ready_at IS NULL OR EXISTS (
                    SELECT 1 FROM runs AS other
                     WHERE other.thread_id = threads.id
                       AND (other.status = 'running'
                            OR other.status = 'queued' AND runs.status <> 'cancelled')
               ) AS left,
               CASE WHEN runs.status NOT IN ('queued', 'running') THEN state_values END AS values,
               CASE WHEN runs.status = 'paused' THEN (
                    SELECT jsonb_agg(jsonb_build_object(
                            'request', requests.id, 'value', payload, 'id', interrupt_id,
                            'response_schema', response_schema) ORDER BY opened_at, requests.id)
                      FROM requests
                     WHERE thread_id = threads.id AND delivered_at IS NULL
                       -- As with LangGraph, a breakpoint is no interrupt.
                       AND kind <> 'breakpoint'
                       AND (state = 'open' OR delivery IN ('pending', 'failed'))
               ) END AS interrupts
          FROM unnest(%s::text[], %s::uuid[]) AS asked (thread_id, run_id)
          JOIN runs ON runs.id = asked.run_id AND runs.thread_id = asked.thread_id
          JOIN threads ON threads.id = runs.thread_id
        """,
        ([thread_id for thread_id, _ in asked], [run_id for _, run_id in asked]),
    )
    return {(row["thread_id"], str(row["id"])): _ending(conn, row) async for row in cursor}


def _ending(conn: Connection, row: dict[str, Any]) -> Ending:
    row = opened(conn, "rested", opened(conn, "runs", row))
    interrupts = []
    for each in row["interrupts"] or ():
        shown = {"id": each.pop("request"), "payload": each["value"]}
        shown = opened(conn, "requests", {**shown, "response_schema": each["response_schema"]})
        given = {"value": shown["payload"], "response_schema": shown["response_schema"]}
        interrupts.append(each | given)
    return Ending(
        status=RunStatus(row["status"]),
        left=row["left"],
        error=row["error"],
        values=row["values"],
        interrupts=interrupts,
    )


async def latest(conn: Connection, thread_id: str) -> Run | None:
    """The thread's newest run."""
    cursor = await conn.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE thread_id = %s ORDER BY created_at DESC LIMIT 1",
        (thread_id,),
    )
    row = await cursor.fetchone()
    return _run(conn, row) if row else None


async def queued_resume(conn: Connection, thread_id: str) -> Run | None:
    """The resume that waits to be executed, if there is one."""
    cursor = await conn.execute(
        f"""
        SELECT {_COLUMNS} FROM runs
         WHERE thread_id = %s AND status = 'queued' AND kind = 'resume'
        """,
        (thread_id,),
    )
    row = await cursor.fetchone()
    return _run(conn, row) if row else None


async def begin_next(conn: Connection, lease: Lease, at: datetime) -> tuple[int, Run | None]:
    """Begin the run to execute next on a thread; see `begin_next_of`.

    Raises:
        LeaseLost: Somebody else holds the thread by now.
    """
    begun = await begin_next_of(conn, [lease], at)
    if lease.thread_id not in begun:
        raise LeaseLost(lease.thread_id)
    return begun[lease.thread_id]


async def begin_next_of(
    conn: Connection, leases: Sequence[Lease], at: datetime
) -> dict[str, tuple[int, Run | None]]:
    """Begin the next run of each thread: one that a dead worker left, or else the oldest queued.

    Also how often the thread was given work when this was looked for: read by the same snapshot,
    and not from the row as it was locked, so that no work can come in between. Where more runs
    wait behind this one it is a number that never comes again, so that the thread is not given
    back after it without another look. A thread whose lease is lost is left out.

    The lock makes decisions that count on a queued resume either commit before it begins, so that
    it knows of them, or find it begun.
    """
    columns = ", ".join(f"runs.{column}" for column in _COLUMNS.split(", "))
    cursor = await conn.execute(
        f"""
        WITH held AS MATERIALIZED (
            SELECT threads.id FROM threads
              JOIN unnest(%(ids)s::text[], %(epochs)s::bigint[]) AS lease (id, epoch)
                ON threads.id = lease.id AND threads.epoch = lease.epoch
               FOR NO KEY UPDATE OF threads
        ), thread AS MATERIALIZED (
            SELECT id, work FROM threads JOIN held USING (id)
        ), next AS MATERIALIZED (
            SELECT first.id FROM thread CROSS JOIN LATERAL (
                SELECT id FROM runs
                 WHERE thread_id = thread.id AND status IN ('queued', 'running')
                 ORDER BY status DESC, created_at, id LIMIT 1) AS first
        ), run AS (
            UPDATE runs SET status = 'running', attempt = attempt + 1, updated_at = %(at)s
              FROM next
             WHERE runs.id = next.id AND (runs.status IN ('queued', 'running')) IS TRUE
            RETURNING {columns}
        )
        SELECT thread.id AS held, thread.work - (
                SELECT (count(*) > 1)::int FROM runs
                 WHERE thread_id = thread.id AND status IN ('queued', 'running')
               ) AS work, run.*
          FROM thread LEFT JOIN run ON run.thread_id = thread.id
        """,
        {
            "ids": [lease.thread_id for lease in leases],
            "epochs": [lease.epoch for lease in leases],
            "at": at,
        },
    )
    return {
        row.pop("held"): (row.pop("work"), _run(conn, row) if row["id"] is not None else None)
        async for row in cursor
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """The first run of a thread that is to be made; under way at once by a `worker`.

    `metadata` are the thread's, and `entry` is what the audit begins with.
    """

    run: Run
    metadata: dict[str, Any]
    worker: int | None
    entry: AuditEntry

    @property
    def thread_id(self) -> str:
        """The thread."""
        return self.run.thread_id

    def row(self, conn: Connection) -> dict[str, Any]:
        """All of it as JSON, as it is to be stored."""
        run, record = self.run, audit.sealed_row(conn, self.entry)
        row = {
            "id": run.id,
            "thread_id": run.thread_id,
            "graph": run.graph,
            "kind": run.kind.value,
            "status": run.status.value,
            "by": run.by,
            "input": run.input,
            "config": run.config,
            "context": run.context,
            "metadata": run.metadata,
            "options": run.options,
            "attempt": run.attempt,
            "traceparent": run.traceparent,
            "created_at": run.created_at.isoformat(),
            "thread_metadata": self.metadata,
            "worker": self.worker,
            "event": record["event"],
            "body": record["body"],
            "sealed": record.get("sealed"),
        }
        return dict(sealed(conn, "runs", row))


async def begin_on_new_threads(
    conn: Connection, beginnings: Sequence[Beginning]
) -> dict[str, Lease]:
    """Make busy threads with their first runs: the lease of each; none where the thread exists.

    With a worker, it is given the lease, and the run is under way. All are of different threads.
    """
    cursor = await conn.execute(
        """
        WITH given AS MATERIALIZED (
            SELECT * FROM jsonb_to_recordset(%s) AS row (
                id uuid, thread_id text, graph text, kind text, status text, by text, input jsonb,
                config jsonb, context jsonb, metadata jsonb, options jsonb, attempt int,
                traceparent text, created_at timestamptz, thread_metadata jsonb, worker bigint,
                event text, body text, sealed text)
        ), thread AS (
            INSERT INTO threads (
                id, graph, status, metadata, epoch, leased_by, work, ready_at, created_at,
                updated_at, state_updated_at)
            SELECT thread_id, graph, 'busy', thread_metadata, (worker IS NOT NULL)::int, worker, 1,
                   now(), created_at, created_at, created_at
              FROM given ORDER BY thread_id
            ON CONFLICT (id) DO NOTHING RETURNING id, epoch
        ), run AS (
            INSERT INTO runs (
                id, thread_id, graph, kind, status, by, input, config, context, metadata, options,
                attempt, traceparent, created_at, updated_at)
            SELECT given.id, thread_id, graph, kind, status, by, input, config, context, metadata,
                   options, attempt, traceparent, created_at, created_at
              FROM given JOIN thread ON thread.id = given.thread_id
        ), entry AS (
            INSERT INTO audit (thread_id, event, body, sealed, at)
            SELECT thread_id, event, body, sealed, created_at
              FROM given JOIN thread ON thread.id = given.thread_id
        )
        SELECT id, epoch FROM thread
        """,
        (Json([each.row(conn) for each in beginnings]),),
    )
    return {row["id"]: Lease(row["id"], row["epoch"]) async for row in cursor}


async def add_terms(
    conn: Connection, run_id: str, *, options: dict[str, Any], metadata: dict[str, Any]
) -> None:
    """Change some of the options and the metadata of a run that waits to be executed."""
    await conn.execute(
        """
        UPDATE runs SET options = options || %s, metadata = metadata || %s
         WHERE id = %s AND status = 'queued'
        """,
        (Json(options), Json(metadata), run_id),
    )


async def end(
    conn: Connection, run_id: str, status: RunStatus, *, error: str | None, at: datetime
) -> bool:
    """End a run that is under way; False, and nothing changed, if it had ended already.

    It may seem to be queued: a crash of PostgreSQL can undo its beginning (see `Database.taking`).
    """
    cursor = await conn.execute(
        """
        UPDATE runs SET status = %s, error = %s, updated_at = %s
         WHERE id = %s AND status IN ('queued', 'running')
        RETURNING id
        """,
        (status.value, text(conn, "runs", "error", error, run_id), at, run_id),
    )
    return await won(cursor)


async def cancel(conn: Connection, run_id: str, at: datetime) -> bool:
    """Cancel a run that has not ended; False, and nothing changed, if it has."""
    cursor = await conn.execute(
        """
        UPDATE runs SET status = 'cancelled', updated_at = %s
         WHERE id = %s AND status IN ('queued', 'running', 'paused')
        RETURNING id
        """,
        (at, run_id),
    )
    return await won(cursor)


async def end_delivered(conn: Connection, thread_id: str, at: datetime) -> None:
    """End the resume that waits on a locked thread nobody has, if nothing is left to deliver.

    With nothing else waiting, the thread is not busy any more. A run whose end is told to somebody
    is left to a worker, who tells it.
    """
    cursor = await conn.execute(
        """
        UPDATE runs SET status = 'succeeded', updated_at = %(at)s
         WHERE thread_id = %(thread_id)s AND kind = 'resume' AND status = 'queued'
           AND options ->> 'webhook' IS NULL
           AND NOT EXISTS (SELECT 1 FROM requests
                            WHERE thread_id = %(thread_id)s AND delivery = 'pending')
        RETURNING id
        """,
        {"thread_id": thread_id, "at": at},
    )
    if await won(cursor):
        await conn.execute(
            """
            UPDATE threads SET ready_at = NULL, status = 'idle'
             WHERE id = %(thread_id)s AND leased_by IS NULL
               AND NOT EXISTS (SELECT 1 FROM runs
                                WHERE thread_id = %(thread_id)s
                                  AND status IN ('queued', 'running'))
            """,
            {"thread_id": thread_id},
        )


async def page(
    conn: Connection, thread_id: str, *, status: list[str] | None, limit: int, offset: int
) -> list[Run]:
    """A thread's runs, the newest first."""
    cursor = await conn.execute(
        f"""
        SELECT {_COLUMNS} FROM runs
         WHERE thread_id = %(thread_id)s
           AND (%(status)s::text[] IS NULL OR status = ANY(%(status)s))
         ORDER BY created_at DESC LIMIT %(limit)s OFFSET %(offset)s
        """,
        {"thread_id": thread_id, "status": status, "limit": limit, "offset": offset},
    )
    return [_run(conn, row) async for row in cursor]


async def is_wanted(conn: Connection, run_id: str) -> bool:
    """Whether a run that is under way was not cancelled. See `end` on why it may seem queued."""
    cursor = await conn.execute(
        "SELECT 1 FROM runs WHERE id = %s AND status IN ('queued', 'running')", (run_id,)
    )
    return await won(cursor)
