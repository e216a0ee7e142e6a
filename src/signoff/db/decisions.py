"""Recording what closes requests: votes, outcomes, the audit and the runs that deliver, at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from signoff.db import audit
from signoff.db.pool import Connection, Json
from signoff.db.request_rows import passing
from signoff.db.sealed import opened, sealed
from signoff.domain.audit import AuditEntry
from signoff.domain.decision import Vote
from signoff.domain.request import Request
from signoff.domain.run import Run
from signoff.domain.thread import Lease


@dataclass(frozen=True, kw_only=True, slots=True)
class Closing:
    """A request that closes, by a `vote` or by the clock; `entry` is what the audit says of it.

    `seen` is the request as it stood when that was found out.
    """

    seen: Request
    after: Request
    entry: AuditEntry
    vote: Vote | None = None
    fingerprint: str | None = None
    idempotency_key: str | None = None

    def row(self, conn: Connection) -> dict[str, Any]:
        """The closing as JSON, as it is to be stored."""
        entry, outcome = audit.sealed_row(conn, self.entry), self.after.outcome
        closed_at = self.after.closed_at
        assert outcome is not None
        assert closed_at is not None
        given = {"id": self.seen.id, "outcome": outcome.to_json()}
        row = {
            **sealed(conn, "requests", given),
            "digest": self.seen.digest,
            "version": self.seen.version,
            "state": self.after.state.value,
            "at": closed_at.isoformat(),
            "event": entry["event"],
            "body": entry["body"],
            "sealed": entry.get("sealed"),
        }
        if self.vote is not None:
            said = {"by": self.vote.by, "values": self.vote.values, "note": self.vote.note}
            row |= sealed(conn, "votes", {**said, "request_id": self.seen.id})
            row |= {
                "action": self.vote.action,
                "on_behalf_of": self.vote.on_behalf_of,
                "key": self.idempotency_key,
                "fingerprint": self.fingerprint,
            }
        if self.after.timetable is not self.seen.timetable:
            row |= passing(self.after)
        return row


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """Closings of one thread, and the run that goes on with it; under way at once by a `worker`."""

    closings: Sequence[Closing]
    run: Run
    worker: int | None

    @property
    def thread_id(self) -> str:
        """The thread."""
        return self.run.thread_id

    def row(self) -> dict[str, Any]:
        """What is asked of the thread, as JSON."""
        return {
            "thread_id": self.thread_id,
            "run_id": self.run.id,
            "graph": self.run.graph,
            "by": self.run.by,
            "asked_by": self.closings[0].seen.run_id,
            "worker": self.worker,
            "traceparent": self.run.traceparent,
            "at": self.run.created_at.isoformat(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What became of closings: how many closed their request, and who goes on with the thread.

    `lease` is given if the thread was idle and a worker was named; then the run is under way. Else
    `idle` says that a worker has to be told. `run_queued` is false if a resume was queued already.
    `settings` are those of the run that asked, with which the new one goes on.
    """

    closed: int = 0
    idle: bool = False
    lease: Lease | None = None
    work: int = 0
    run_queued: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


async def record(conn: Connection, recording: Recording) -> Recorded:
    """Close requests of one thread that are open and ask what was seen; queue or begin the run.

    The run goes on as the one that asked was started: with its config, context and the like.
    Requests that were closed or changed meanwhile are left alone, with their votes not counted.
    """
    [recorded] = await record_all(conn, [recording])
    assert recorded is not None, "alone, it waits until the thread is free"
    return recorded


async def record_all(
    conn: Connection, recordings: Sequence[Recording]
) -> Sequence[Recorded | None]:
    """As `record`, for several threads in one statement.

    None for one whose thread somebody else has locked, since the others should not wait for that;
    a single one waits.
    """
    cursor = await conn.execute(
        _RECORD if len(recordings) == 1 else _RECORD_SEVERAL,
        {
            "closings": Json(
                [
                    {**closing.row(conn), "thread_id": each.thread_id}
                    for each in recordings
                    for closing in each.closings
                ]
            ),
            "runs": Json([each.row() for each in recordings]),
            "limit": MAX_CLOSINGS,
        },
    )
    rows = {row["id"]: row for row in await cursor.fetchall()}
    missing = Recorded() if len(recordings) == 1 else None
    return [
        _recorded(conn, each, rows[each.thread_id]) if each.thread_id in rows else missing
        for each in recordings
    ]


def _recorded(conn: Connection, recording: Recording, row: dict[str, Any]) -> Recorded:
    if not row["closed"]:
        return Recorded()
    row = opened(conn, "runs", {**row, "thread_id": recording.thread_id})
    handed = row["idle"] and recording.worker is not None
    return Recorded(
        closed=row["closed"],
        idle=row["idle"],
        lease=Lease(recording.thread_id, row["epoch"]) if handed else None,
        work=row["work"],
        run_queued=row["run_queued"],
        settings={name: row[name] for name in ("config", "context", "metadata", "options")},
    )


MAX_CLOSINGS = 1_000_000
"""A limit that nothing reaches: for the planner, who expects a tenth of the rows with one."""

_RECORD = """
    WITH asked AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(%(runs)s) AS row (
            run_id uuid, thread_id text, graph text, by text, asked_by uuid, worker bigint,
            traceparent text, at timestamptz) LIMIT %(limit)s
    ), given AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(%(closings)s) AS row (
            id uuid, thread_id text, digest text, version int, state text, outcome jsonb, by text,
            action text, "values" jsonb, note text, on_behalf_of text, key text,
            fingerprint text, at timestamptz, event text, body text, sealed text, timetable jsonb,
            priority smallint, audience text[]) LIMIT %(limit)s
    ), thread AS MATERIALIZED (
        SELECT threads.id, ready_at IS NULL AS idle, asked.run_id, asked.graph, asked.by,
               asked.asked_by, asked.worker, asked.traceparent, asked.at
          FROM asked JOIN threads ON threads.id = asked.thread_id
           FOR NO KEY UPDATE OF threads
    ), locked AS MATERIALIZED (
        -- IS TRUE keeps the planner to a hash table: it expects few rows, and would compare all.
        SELECT * FROM given WHERE (thread_id IN (SELECT id FROM thread)) IS TRUE
    ), closed AS (
        UPDATE requests
           SET state = given.state, outcome = given.outcome, delivery = 'pending',
               closed_at = given.at, wake_at = NULL, version = requests.version + 1,
               timetable = coalesce(given.timetable, requests.timetable),
               priority = coalesce(given.priority, requests.priority),
               audience = coalesce(given.audience, requests.audience)
          FROM locked AS given
         -- IS TRUE keeps the planner to the ids: it must not go through all that is open.
         WHERE requests.id = given.id AND (requests.thread_id = given.thread_id) IS TRUE
           AND (requests.state = 'open') IS TRUE AND requests.digest = given.digest
           AND requests.version = given.version
        RETURNING requests.id, requests.thread_id
    ), moved AS (
        SELECT thread_id AS id, count(*) AS closed FROM closed GROUP BY thread_id
    ), vote AS (
        INSERT INTO votes
            (request_id, by, action, values, note, on_behalf_of, idempotency_key,
             fingerprint, at)
        SELECT id, by, action, values, note, on_behalf_of, key, fingerprint, at
          FROM given JOIN closed USING (id) WHERE fingerprint IS NOT NULL
        ON CONFLICT (request_id, by) DO UPDATE
           SET action = EXCLUDED.action, values = EXCLUDED.values, note = EXCLUDED.note,
               on_behalf_of = EXCLUDED.on_behalf_of, at = EXCLUDED.at,
               idempotency_key = EXCLUDED.idempotency_key, fingerprint = EXCLUDED.fingerprint
    ), entry AS (
        INSERT INTO audit (thread_id, request_id, event, body, sealed, at)
        SELECT closed.thread_id, closed.id, event, body, sealed, at
          FROM given JOIN closed USING (id)
    ), run AS (
        INSERT INTO runs (
            id, thread_id, graph, kind, status, by, config, context, metadata, options,
            attempt, traceparent, created_at, updated_at)
        SELECT run_id, thread.id, thread.graph, 'resume',
               CASE WHEN idle AND worker IS NOT NULL THEN 'running' ELSE 'queued' END,
               thread.by, coalesce(earlier.config, '{}'), earlier.context,
               coalesce(earlier.metadata, '{}'), coalesce(earlier.options, '{}') - 'reask',
               (idle AND worker IS NOT NULL)::int, thread.traceparent, thread.at, thread.at
          FROM thread JOIN moved USING (id) LEFT JOIN runs AS earlier ON earlier.id = asked_by
        ON CONFLICT (thread_id) WHERE status = 'queued' AND kind = 'resume' DO NOTHING
        RETURNING id, thread_id, config, context, metadata, options
    ), ready AS (
        UPDATE threads
           SET status = 'busy', ready_at = coalesce(ready_at, now()), work = work + 1,
               error = CASE WHEN idle THEN NULL ELSE error END,
               leased_by = CASE WHEN idle THEN thread.worker ELSE leased_by END,
               epoch = epoch + (idle AND thread.worker IS NOT NULL)::int,
               updated_at = thread.at
          FROM thread JOIN moved USING (id) WHERE threads.id = thread.id
        RETURNING threads.id, threads.epoch, threads.work
    )
    SELECT thread.id, thread.idle, ready.epoch, ready.work, coalesce(moved.closed, 0) AS closed,
           run.id IS NOT NULL AS run_queued, run.config, run.context, run.metadata, run.options
      FROM thread LEFT JOIN moved USING (id) LEFT JOIN ready USING (id)
      LEFT JOIN run ON run.thread_id = thread.id
"""

_RECORD_SEVERAL = _RECORD.replace("OF threads", "OF threads SKIP LOCKED")
