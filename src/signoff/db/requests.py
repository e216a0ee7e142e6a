"""The table `requests`. Every change to a row is made under the lock of its thread's row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from signoff.db import threads
from signoff.db.pool import Connection, Json, OrderedJson, won
from signoff.db.request_rows import COLUMNS, VOTES, changing, request_of, with_votes
from signoff.db.sealed import opened, sealed
from signoff.db.threads import Locked
from signoff.domain.request import Request, RequestState
from signoff.ids import is_id


async def get(conn: Connection, request_id: str) -> Request | None:
    """One request with its votes."""
    if not is_id(request_id):
        return None
    cursor = await conn.execute(
        f"SELECT {COLUMNS}, {VOTES} FROM requests WHERE id = %s", (request_id,)
    )
    row = await cursor.fetchone()
    return with_votes(conn, row) if row else None


async def graph_of(conn: Connection, request_id: str) -> str | None:
    """The graph that asks; None if there is no such request."""
    if not is_id(request_id):
        return None
    cursor = await conn.execute("SELECT graph FROM requests WHERE id = %s", (request_id,))
    row = await cursor.fetchone()
    return row["graph"] if row else None


async def lock(conn: Connection, request_id: str) -> tuple[Locked, Request] | None:
    """One request with its votes, and its thread, locked until the transaction ends."""
    if not is_id(request_id):
        return None
    locked = await threads.lock_of_request(conn, request_id)
    found = await conn.execute(
        f"SELECT {COLUMNS}, {VOTES} FROM requests WHERE id = %s", (request_id,)
    )
    thread, row = await threads.locked(locked), await found.fetchone()
    return (thread, with_votes(conn, row)) if thread and row else None


@dataclass(frozen=True, slots=True)
class Found:
    """A request as it was read, with all that a run of its thread has to know of.

    `epoch` is the thread's at that moment: as long as it stands, nobody has run it since.
    """

    request: Request
    known: Sequence[Request]
    epoch: int


async def with_known(conn: Connection, request_id: str) -> Found | None:
    """One request, and what else its thread waits for."""
    cursor = await conn.execute(
        f"""
        SELECT {COLUMNS}, {VOTES},
               (SELECT epoch FROM threads WHERE threads.id = thread_id) AS epoch
          FROM requests
         WHERE thread_id = (SELECT thread_id FROM requests WHERE id = %(id)s)
           AND (id = %(id)s OR state IN ('open', 'withdrawn')
                OR delivery IN ('pending', 'failed') OR voided)
         ORDER BY opened_at, id
        """,
        {"id": request_id},
    )
    rows = await cursor.fetchall()
    epochs = [row.pop("epoch") for row in rows]
    found = [with_votes(conn, row) for row in rows]
    request = next((each for each in found if each.id == request_id), None)
    return Found(request, found, epochs[0]) if request else None


Known = tuple[list[Request], int]
"""What is known of a thread, and its epoch as it was read; 0 where nothing is known."""


async def known_at(conn: Connection, thread_ids: Sequence[str]) -> dict[str, Known]:
    """What runs of threads have to know of: all but what is delivered or superseded for good."""
    cursor = await conn.execute(
        f"""
        SELECT {COLUMNS}, {VOTES},
               (SELECT epoch FROM threads WHERE threads.id = thread_id) AS epoch
          FROM requests
         WHERE thread_id = ANY(%s) AND (state IN ('open', 'withdrawn')
            OR delivery IN ('pending', 'failed') OR voided)
         ORDER BY opened_at, id
        """,
        (list(thread_ids),),
    )
    found: dict[str, Known] = {each: ([], 0) for each in thread_ids}
    async for row in cursor:
        requests, _ = found[row["thread_id"]]
        found[row["thread_id"]] = requests, row.pop("epoch")
        requests.append(with_votes(conn, row))
    return found


async def known_of(conn: Connection, thread_ids: Sequence[str]) -> dict[str, list[Request]]:
    """As `known_at`, without the epochs."""
    return {each: found for each, (found, _) in (await known_at(conn, thread_ids)).items()}


async def known(conn: Connection, thread_id: str) -> list[Request]:
    """As `known_of`, of one thread."""
    return (await known_of(conn, [thread_id]))[thread_id]


async def waiting(conn: Connection, thread_ids: Sequence[str]) -> dict[str, list[Request]]:
    """The pauses of each of these threads that the graph has no answer to yet."""
    cursor = await conn.execute(
        f"""
        SELECT {COLUMNS} FROM requests
         WHERE thread_id = ANY(%s) AND (state = 'open' OR delivery IN ('pending', 'failed'))
           AND delivered_at IS NULL
         ORDER BY thread_id, opened_at, id
        """,
        (list(thread_ids),),
    )
    found: dict[str, list[Request]] = {}
    async for row in cursor:
        found.setdefault(row["thread_id"], []).append(request_of(opened(conn, "requests", row)))
    return found


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that a task has been given, and the question that it was given to."""

    task_id: str
    position: int
    digest: str
    voided: bool


async def answers(conn: Connection, thread_id: str, known: Sequence[Request]) -> Sequence[Answered]:
    """All answers given so far to the tasks that a thread still waits for.

    Mostly they are those of the requests that a run knows of, and need no look.
    """
    if (derived := derive_answers(known)) is not None:
        return derived
    cursor = await conn.execute(
        """
        SELECT task_id, position, digest, voided FROM requests
         WHERE thread_id = %(thread_id)s AND outcome IS NOT NULL
           AND task_id IN (
            SELECT task_id FROM requests
             WHERE thread_id = %(thread_id)s AND (state IN ('open', 'withdrawn')
                OR delivery IN ('pending', 'failed') OR voided))
        """,
        {"thread_id": thread_id},
    )
    return [Answered(**row) async for row in cursor]


def derive_answers(known: Sequence[Request]) -> list[Answered] | None:
    """The answers of requests that are the first of their tasks; None if one of them is not."""
    if any(request.pause.position or request.voided for request in known):
        return None
    return [
        Answered(request.pause.task_id, 0, request.digest, voided=False)
        for request in known
        if request.outcome is not None
    ]


async def revise(conn: Connection, request: Request) -> bool:
    """Show what the node asks now, where it asks something else than it did; the votes are void."""
    question = request.question
    shown = sealed(
        conn,
        "requests",
        {
            "id": request.id,
            "title": question.title,
            "payload": question.payload,
            "response_schema": question.response_schema or None,
            "actions": question.actions,
            "remark": request.remark,
        },
    )
    schema = shown["response_schema"]
    cursor = await conn.execute(
        """
        UPDATE requests
           SET kind = %s, topic = %s, title = %s, payload = %s, response_schema = %s,
               actions = %s, digest = %s, remark = %s
         WHERE id = %s AND state = 'open'
        RETURNING id
        """,
        (
            question.kind,
            question.topic,
            shown["title"],
            OrderedJson(shown["payload"]),
            OrderedJson(schema) if schema is not None else None,
            OrderedJson(shown["actions"]),
            question.digest,
            shown["remark"],
            request.id,
        ),
    )
    if not await won(cursor):
        return False
    await conn.execute("DELETE FROM votes WHERE request_id = %s", (request.id,))
    return True


async def opened_for(conn: Connection, thread_id: str, interrupt_ids: Sequence[str]) -> set[str]:
    """Which of these pauses have a request, open or closed."""
    cursor = await conn.execute(
        "SELECT interrupt_id FROM requests WHERE thread_id = %s AND interrupt_id = ANY(%s)",
        (thread_id, list(interrupt_ids)),
    )
    return {row["interrupt_id"] async for row in cursor}


async def save(conn: Connection, before: Request, after: Request) -> bool:
    """Keep what a transition made of an open request; False if it is not as it was `before`.

    Votes that were taken back go; those that were cast or changed are for the caller to keep.
    """
    outcome = None if after.outcome is None else after.outcome.to_json()
    given = {**changing(after), "outcome": outcome, "policy": after.policy.to_json()}
    stored = sealed(conn, "requests", {**given, "id": after.id})
    cursor = await conn.execute(
        """
        UPDATE requests
           SET state = %(state)s, outcome = %(outcome)s, delivery = %(delivery)s,
               closed_at = %(closed_at)s, policy = %(policy)s, priority = %(priority)s,
               claimed_by = %(claimed_by)s, audience = %(audience)s, timetable = %(timetable)s,
               delegations = %(delegations)s, comments = %(comments)s, deadline = %(deadline)s,
               wake_at = %(wake_at)s, version = version + 1
         WHERE id = %(id)s AND state = 'open' AND version = %(version)s
        RETURNING id
        """,
        {
            **stored,
            "version": before.version,
            "state": after.state.value,
            "outcome": None if outcome is None else Json(stored["outcome"]),
            "delivery": after.delivery.value,
            "closed_at": after.closed_at,
            "policy": Json(stored["policy"]),
            "audience": list(after.audience),
            **{name: Json(stored[name]) for name in ("timetable", "delegations", "comments")},
        },
    )
    if not await won(cursor):
        return False
    for voter in {vote.by for vote in before.votes} - {vote.by for vote in after.votes}:
        await conn.execute("DELETE FROM votes WHERE request_id = %s AND by = %s", (after.id, voter))
    return True


async def several(conn: Connection, ids: Sequence[str]) -> list[Request]:
    """Requests with their votes, in no particular order."""
    cursor = await conn.execute(
        f"SELECT {COLUMNS}, {VOTES} FROM requests WHERE id = ANY(%s::uuid[])", (list(ids),)
    )
    return [with_votes(conn, row) async for row in cursor]


async def close_open(
    conn: Connection, thread_id: str, *, to: RequestState, at: datetime
) -> list[str]:
    """Close whatever a thread has open, without an outcome; the ids of what was closed."""
    cursor = await conn.execute(
        """
        UPDATE requests SET state = %s, closed_at = %s, wake_at = NULL
         WHERE thread_id = %s AND state = 'open' RETURNING id
        """,
        (to.value, at, thread_id),
    )
    return [str(row["id"]) async for row in cursor]


async def supersede(
    conn: Connection,
    thread_id: str,
    *,
    checkpoint_ns: str,
    before: str,
    at: datetime,
) -> list[str]:
    """Close the open requests of pauses that a newer checkpoint has left behind; their ids.

    A checkpoint of a namespace leaves behind the pauses at older checkpoints of that namespace
    and of those inside it.
    """
    cursor = await conn.execute(
        """
        UPDATE requests SET state = 'superseded', closed_at = %(at)s, wake_at = NULL
         WHERE thread_id = %(thread_id)s AND state = 'open'
           AND (%(ns)s = '' OR checkpoint_ns = %(ns)s OR starts_with(checkpoint_ns, %(ns)s || '|'))
           AND checkpoint_id < %(before)s
        RETURNING id
        """,
        {"thread_id": thread_id, "ns": checkpoint_ns, "before": before, "at": at},
    )
    return [str(row["id"]) async for row in cursor]


async def supersede_task(
    conn: Connection, thread_id: str, task_id: str, *, positions_below: int | None, at: datetime
) -> list[str]:
    """Close the open requests of a task that was answered elsewhere; their ids.

    `positions_below` limits it to the questions before that one; None closes all.
    """
    cursor = await conn.execute(
        """
        UPDATE requests SET state = 'superseded', closed_at = %(at)s, wake_at = NULL
         WHERE thread_id = %(thread_id)s AND task_id = %(task_id)s AND state = 'open'
           AND (%(below)s::int IS NULL OR position < %(below)s)
        RETURNING id
        """,
        {"thread_id": thread_id, "task_id": task_id, "below": positions_below, "at": at},
    )
    return [str(row["id"]) async for row in cursor]
