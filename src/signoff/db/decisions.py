"""Recording decisions: the votes, what they close, the audit and the run that delivers, at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from signoff.db import audit
from signoff.db.pool import Connection, Json
from signoff.domain.audit import AuditEntry
from signoff.domain.decision import Vote
from signoff.domain.request import Request
from signoff.domain.run import Run
from signoff.domain.thread import Lease


@dataclass(frozen=True, kw_only=True, slots=True)
class Closing:
    """A vote that closes a request. `seen` is the request as it stood when that was found out."""

    seen: Request
    after: Request
    vote: Vote
    fingerprint: str
    idempotency_key: str | None
    entry: AuditEntry

    def row(self) -> dict[str, Any]:
        """The closing as JSON."""
        entry, outcome = audit.row(self.entry), self.after.outcome
        assert outcome is not None
        return {
            "id": self.seen.id,
            "digest": self.seen.digest,
            "version": self.seen.version,
            "state": self.after.state.value,
            "outcome": outcome.to_json(),
            "by": self.vote.by,
            "action": self.vote.action,
            "values": self.vote.values,
            "note": self.vote.note,
            "on_behalf_of": self.vote.on_behalf_of,
            "key": self.idempotency_key,
            "fingerprint": self.fingerprint,
            "at": self.vote.at.isoformat(),
            "event": entry["event"],
            "body": entry["body"],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What became of closings: how many closed their request, and who goes on with the thread.

    `lease` is given if the thread was idle and a worker was named; then the run is under way. Else
    `idle` says that a worker has to be told. `run_queued` is false if a resume was queued already.
    `settings` are those of the run that asked, with which the new one goes on.
    """

    closed: int
    idle: bool
    lease: Lease | None
    work: int
    run_queued: bool
    settings: dict[str, Any]


async def record(
    conn: Connection, closings: Sequence[Closing], run: Run, *, worker: int | None
) -> Recorded:
    """Close requests of one thread that are open and ask what was seen; queue or begin the `run`.

    The run goes on as the one that asked was started: with its config, context and the like.
    Requests that were closed or changed meanwhile are left alone, with their votes not counted.
    """
    cursor = await conn.execute(
        """
        WITH given AS MATERIALIZED (
            SELECT * FROM jsonb_to_recordset(%(closings)s) AS row (
                id uuid, digest text, version int, state text, outcome jsonb, by text,
                action text, "values" jsonb, note text, on_behalf_of text, key text,
                fingerprint text, at timestamptz, event text, body text)
        ), thread AS MATERIALIZED (
            SELECT id, ready_at IS NULL AS idle FROM threads
             WHERE id = %(thread_id)s FOR NO KEY UPDATE
        ), closed AS (
            UPDATE requests
               SET state = given.state, outcome = given.outcome, delivery = 'pending',
                   closed_at = given.at, wake_at = NULL, version = requests.version + 1
              FROM given, thread
             WHERE requests.id = given.id AND requests.thread_id = thread.id
               AND requests.state = 'open' AND requests.digest = given.digest
               AND requests.version = given.version
            RETURNING requests.id
        ), vote AS (
            INSERT INTO votes
                (request_id, by, action, values, note, on_behalf_of, idempotency_key,
                 fingerprint, at)
            SELECT id, by, action, values, note, on_behalf_of, key, fingerprint, at
              FROM given JOIN closed USING (id)
            ON CONFLICT (request_id, by) DO UPDATE
               SET action = EXCLUDED.action, values = EXCLUDED.values, note = EXCLUDED.note,
                   on_behalf_of = EXCLUDED.on_behalf_of, at = EXCLUDED.at,
                   idempotency_key = EXCLUDED.idempotency_key, fingerprint = EXCLUDED.fingerprint
        ), entry AS (
            INSERT INTO audit (thread_id, request_id, event, body, at)
            SELECT thread.id, closed.id, event, body, at
              FROM thread, given JOIN closed USING (id)
        ), run AS (
            INSERT INTO runs (
                id, thread_id, graph, kind, status, by, config, context, metadata, options,
                attempt, created_at, updated_at)
            SELECT %(run_id)s, thread.id, %(graph)s, 'resume',
                   CASE WHEN idle AND %(worker)s::bigint IS NOT NULL THEN 'running'
                        ELSE 'queued' END,
                   %(by)s, coalesce(asked.config, '{}'), asked.context,
                   coalesce(asked.metadata, '{}'), coalesce(asked.options, '{}') - 'reask',
                   (idle AND %(worker)s::bigint IS NOT NULL)::int, %(at)s, %(at)s
              FROM thread LEFT JOIN runs AS asked ON asked.id = %(asked_by)s
             WHERE EXISTS (SELECT 1 FROM closed)
            ON CONFLICT (thread_id) WHERE status = 'queued' AND kind = 'resume' DO NOTHING
            RETURNING id, config, context, metadata, options
        ), ready AS (
            UPDATE threads
               SET status = 'busy', ready_at = coalesce(ready_at, now()), work = work + 1,
                   error = CASE WHEN idle THEN NULL ELSE error END,
                   leased_by = CASE WHEN idle THEN %(worker)s ELSE leased_by END,
                   epoch = epoch + (idle AND %(worker)s::bigint IS NOT NULL)::int,
                   updated_at = %(at)s
              FROM thread WHERE threads.id = thread.id AND EXISTS (SELECT 1 FROM closed)
            RETURNING threads.epoch, threads.work
        )
        SELECT thread.idle, ready.epoch, ready.work,
               (SELECT count(*) FROM closed) AS closed,
               run.id IS NOT NULL AS run_queued, run.config, run.context, run.metadata,
               run.options
          FROM thread LEFT JOIN ready ON true LEFT JOIN run ON true
        """,
        {
            "closings": Json([closing.row() for closing in closings]),
            "thread_id": run.thread_id,
            "run_id": run.id,
            "graph": run.graph,
            "by": run.by,
            "asked_by": closings[0].seen.run_id,
            "worker": worker,
            "at": run.created_at,
        },
    )
    row = await cursor.fetchone()
    if row is None or not row["closed"]:
        return Recorded(closed=0, idle=False, lease=None, work=0, run_queued=False, settings={})
    handed = row["idle"] and worker is not None
    return Recorded(
        closed=row["closed"],
        idle=row["idle"],
        lease=Lease(run.thread_id, row["epoch"]) if handed else None,
        work=row["work"],
        run_queued=row["run_queued"],
        settings={name: row[name] for name in ("config", "context", "metadata", "options")},
    )
