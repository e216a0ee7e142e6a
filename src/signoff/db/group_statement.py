"""The one statement in which a group of writes commits, put together from the tables it writes to.

Each part takes its rows as a JSON array, under the name of its table, and writes those of threads
whose leases hold. A statement has only the parts that it needs: the others would cost a small group
more than its rows.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, get_args

Table = Literal[
    "blobs",
    "checkpoints",
    "control_writes",
    "task_writes",
    "opened",
    "delivered",
    "audit",
    "events",
    "rested",
]


@cache
def statement(tables: frozenset[str], *, patient: bool) -> str:
    """The statement that writes to `tables`; the patient one waits for threads that are locked.

    It returns a row for each lease that holds, and says of each thread whether it is at rest by it.
    """
    parts = [_HELD + ("" if patient else " SKIP LOCKED")]
    parts += [_PARTS[table] for table in get_args(Table) if table in tables]
    return f"WITH {', '.join(f'{part})' for part in parts)} " + (
        _RESTED if "rested" in tables else _HELD_ONLY
    )


_HELD = """held AS MATERIALIZED (
    -- Lock out whoever would take these threads, until the commit.
    SELECT threads.id, threads.epoch FROM threads
      JOIN unnest(%(threads)s::text[], %(epochs)s::bigint[]) AS lease (id, epoch)
        ON threads.id = lease.id AND threads.epoch = lease.epoch
       FOR SHARE OF threads"""

_WRITES = """
    INSERT INTO checkpoint_writes (
        thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
    SELECT thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type,
           decode(blob, 'base64')
      FROM json_to_recordset(%({table})s::json) AS row (
        thread_id text, checkpoint_ns text, checkpoint_id text, task_id text, task_path text,
        idx int, channel text, type text, blob text)
      JOIN held ON held.id = thread_id
"""

_PARTS: dict[str, str] = {
    "blobs": """blobs AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT thread_id, checkpoint_ns, channel, version, type, decode(blob, 'base64')
      FROM json_to_recordset(%(blobs)s::json) AS row (
        thread_id text, checkpoint_ns text, channel text, version text, type text, blob text)
      JOIN held ON held.id = thread_id
    ON CONFLICT DO NOTHING
""",
    "checkpoints": """checkpoints AS (
    INSERT INTO checkpoints (
        thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
    SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata
      FROM json_to_recordset(%(checkpoints)s::json) AS row (
        thread_id text, checkpoint_ns text, checkpoint_id text, parent_checkpoint_id text,
        checkpoint jsonb, metadata jsonb)
      JOIN held ON held.id = thread_id
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
    DO UPDATE SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata
""",
    "control_writes": f"""control_writes AS ({_WRITES.format(table="control_writes")}
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
    DO UPDATE SET channel = EXCLUDED.channel, type = EXCLUDED.type, blob = EXCLUDED.blob
""",
    "task_writes": f"""task_writes AS ({_WRITES.format(table="task_writes")}
    ON CONFLICT DO NOTHING
""",
    "opened": """opened AS (
    -- The same pause reported twice (a subgraph's, a re-executed sibling's) is one request.
    INSERT INTO requests (
        id, thread_id, run_id, graph, node, interrupt_id, task_id, checkpoint_ns, checkpoint_id,
        position, kind, topic, title, payload, response_schema, actions, policy, priority, digest,
        revises, remark, opened_at, involved, audience, timetable, deadline, wake_at, traceparent)
    SELECT row.id, thread_id, run_id, graph, node, interrupt_id, task_id, checkpoint_ns,
           checkpoint_id, position, kind, topic, title, payload, response_schema, actions, policy,
           priority, digest, revises, remark, opened_at, involved, audience, timetable, deadline,
           wake_at, traceparent
      FROM json_to_recordset(%(opened)s::json) AS row (
        id uuid, thread_id text, run_id uuid, graph text, node text, interrupt_id text,
        task_id text, checkpoint_ns text, checkpoint_id text, position int, kind text, topic text,
        title text, payload json, response_schema json, actions json, policy jsonb,
        priority smallint, digest text, revises uuid, remark text, opened_at timestamptz,
        involved text[], audience text[], timetable jsonb, deadline timestamptz,
        wake_at timestamptz, traceparent text)
      JOIN held ON held.id = thread_id
    ON CONFLICT (thread_id, interrupt_id) DO NOTHING
""",
    "delivered": """delivered AS (
    -- The node has taken the answer, in the transaction that keeps what it made of it.
    UPDATE requests SET delivery = 'delivered', delivery_error = NULL, delivered_at = row.at
      FROM json_to_recordset(%(delivered)s::json) AS row (
        id uuid, thread_id text, at timestamptz)
      JOIN held ON held.id = row.thread_id
     WHERE requests.id = row.id AND delivery IN ('pending', 'failed')
""",
    "audit": """audited AS (
    INSERT INTO audit (thread_id, request_id, event, body, sealed, at)
    SELECT thread_id, request_id, event, body, sealed, at
      FROM ROWS FROM (json_to_recordset(%(audit)s::json) AS (
        thread_id text, request_id uuid, event text, body text, sealed text, at timestamptz)
      ) WITH ORDINALITY AS row (thread_id, request_id, event, body, sealed, at, number)
      JOIN held ON held.id = thread_id
     ORDER BY number
""",
    "events": """events AS (
    INSERT INTO stream_events (thread_id, run_id, event, data)
    SELECT thread_id, run_id, event, data
      FROM ROWS FROM (json_to_recordset(%(events)s::json) AS (
        thread_id text, run_id uuid, event text, data text)
      ) WITH ORDINALITY AS row (thread_id, run_id, event, data, number)
      JOIN held ON held.id = thread_id
     ORDER BY number
""",
    "rested": """rested AS (
    -- Only if no work has come since it was looked for: then the caller has to look again.
    UPDATE threads
       SET status = row.status, state_values = coalesce(row.values, state_values), error = NULL,
           ready_at = NULL, leased_by = NULL, epoch = threads.epoch + 1, updated_at = row.at,
           state_updated_at = CASE WHEN row.values IS NULL THEN state_updated_at ELSE row.at END
      FROM json_to_recordset(%(rested)s::json) AS row (
        thread_id text, work bigint, status text, "values" jsonb, run_id uuid, run_status text,
        at timestamptz)
      JOIN held ON held.id = row.thread_id
     WHERE threads.id = row.thread_id AND threads.work = row.work
    RETURNING threads.id, row.run_id, row.run_status, row.at,
              threads.graph, threads.metadata, threads.created_at
), ended AS (
    UPDATE runs SET status = rested.run_status, updated_at = rested.at
      -- IS TRUE keeps the planner to the id: what was active once is soon in the way.
      FROM rested
     WHERE runs.id = rested.run_id AND (runs.status IN ('queued', 'running')) IS TRUE
), told AS (
    -- One notification for many threads, within the 8000 bytes that one can have.
    SELECT pg_notify('signoff', 'threads ' || string_agg(id, ' '))
      FROM (SELECT id, sum(length(id) + 1) OVER (ORDER BY id) / 7000 AS part FROM rested) AS ids
     GROUP BY part
""",
}

_HELD_ONLY = """
SELECT id, epoch, false AS rested FROM held
"""

_RESTED = """
SELECT held.id, held.epoch, rested.id IS NOT NULL AS rested, rested.graph, rested.metadata,
       rested.created_at, (SELECT count(*) FROM told)
  FROM held LEFT JOIN rested ON rested.id = held.id
"""
