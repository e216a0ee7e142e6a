"""The table `requests`. Every change to a row is made under the lock of its thread's row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from signoff.db import threads
from signoff.db.pool import Connection, Json, OrderedJson, won
from signoff.db.sealed import Sealer, opened, sealed
from signoff.db.threads import Locked
from signoff.domain.admission import Delegation
from signoff.domain.decision import Outcome, Vote
from signoff.domain.policy import Policy, rank
from signoff.domain.request import Comment, Delivery, Pause, Question, Request, RequestState
from signoff.domain.timetable import Moment
from signoff.ids import is_id

COLUMNS = (
    "id, thread_id, run_id, graph, node, interrupt_id, task_id, checkpoint_ns, checkpoint_id, "
    "position, kind, topic, title, payload, response_schema, actions, policy, digest, state, "
    "outcome, delivery, delivery_error, voided, revises, remark, claimed_by, deadline, opened_at, "
    "closed_at, delivered_at, involved, timetable, delegations, comments, version, "
    "traceparent"
)

UNSEEN_COLUMNS = COLUMNS.replace(
    "payload, response_schema", "NULL::json AS payload, NULL::json AS response_schema"
)
"""All but what is shown, which may be large."""


def row(request: Request) -> dict[str, Any]:
    """A request to be opened, as a row of `signoff.db.group`."""
    pause, question = request.pause, request.question
    return {
        "id": request.id,
        "thread_id": pause.thread_id,
        "run_id": request.run_id,
        "traceparent": request.traceparent,
        "graph": pause.graph,
        "node": pause.node,
        "interrupt_id": pause.interrupt_id,
        "task_id": pause.task_id,
        "checkpoint_ns": pause.checkpoint_ns,
        "checkpoint_id": pause.checkpoint_id,
        "position": pause.position,
        "kind": question.kind,
        "topic": question.topic,
        "title": question.title,
        "payload": question.payload,
        "response_schema": question.response_schema,
        "actions": question.actions,
        "policy": question.policy.to_json(),
        "digest": question.digest,
        "revises": request.revises,
        "remark": request.remark,
        "opened_at": request.opened_at,
        "involved": request.involved,
        **_changing(request),
    }


def _changing(request: Request) -> dict[str, Any]:
    """What changes with a request while it is open, as JSON."""
    return {
        **passing(request),
        "claimed_by": request.claimed_by,
        "delegations": [each.to_json() for each in request.delegations],
        "comments": [each.to_json() for each in request.comments],
        "deadline": request.deadline,
        "wake_at": request.wake_at,
    }


def passing(request: Request) -> dict[str, Any]:
    """What changes with a request as time passes, as JSON."""
    return {
        "priority": rank(request.priority),
        "audience": request.audience,
        "timetable": [moment.to_json() for moment in request.timetable],
    }


def _policy(given: dict[str, Any]) -> Policy:
    if (given.get("otherwise") or {}).get("values"):
        return Policy.from_json(given)  # Not shared: whoever gets the values could change them.
    return _same_policy(orjson.dumps(given))


@lru_cache(maxsize=1024)  # the same few stand in all requests
def _same_policy(text: bytes) -> Policy:
    return Policy.from_json(orjson.loads(text))


def _text(id_: object) -> str | None:
    return None if id_ is None else str(id_)


def _request(row: dict[str, Any], votes: Sequence[Vote] = ()) -> Request:
    return Request(
        id=str(row["id"]),
        pause=Pause(
            thread_id=row["thread_id"],
            graph=row["graph"],
            node=row["node"],
            interrupt_id=row["interrupt_id"],
            task_id=row["task_id"],
            checkpoint_ns=row["checkpoint_ns"],
            checkpoint_id=row["checkpoint_id"],
            position=row["position"],
        ),
        question=Question(
            kind=row["kind"],
            title=row["title"],
            topic=row["topic"],
            payload=row["payload"],
            actions=tuple(row["actions"]),
            policy=_policy(row["policy"]),
            digest=row["digest"],
            response_schema=row["response_schema"],
        ),
        opened_at=row["opened_at"],
        run_id=_text(row["run_id"]),
        traceparent=row["traceparent"],
        state=RequestState(row["state"]),
        votes=tuple(votes),
        outcome=Outcome.from_json(row["outcome"]) if row["outcome"] else None,
        delivery=Delivery(row["delivery"]),
        delivery_error=row["delivery_error"],
        voided=row["voided"],
        revises=_text(row["revises"]),
        remark=row["remark"],
        claimed_by=row["claimed_by"],
        involved=tuple(row["involved"]),
        timetable=tuple(Moment.from_json(each) for each in row["timetable"]),
        delegations=tuple(Delegation.from_json(each) for each in row["delegations"]),
        comments=tuple(Comment.from_json(each) for each in row["comments"]),
        version=row["version"],
        deadline=row["deadline"],
        closed_at=row["closed_at"],
        delivered_at=row["delivered_at"],
    )


VOTES = """
    coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'by', votes.by, 'action', action, 'values', votes.values, 'note', note, 'at', votes.at,
            'on_behalf_of', on_behalf_of) ORDER BY votes.at, votes.by)
          FROM votes WHERE request_id = requests.id), '[]') AS votes
"""


def with_votes(conn: Connection, row: dict[str, Any]) -> Request:
    """A request from a row of `COLUMNS` and `VOTES`."""
    given = row.pop("votes")
    if conn.sealer is not None:
        given = [_opened_vote(conn.sealer, row["id"], vote) for vote in given]
    votes = [Vote(**{**v, "at": datetime.fromisoformat(v["at"])}) for v in given]
    return _request(opened(conn, "requests", row), votes)


def _opened_vote(sealer: Sealer, request_id: object, vote: dict[str, Any]) -> dict[str, Any]:
    whole = sealer.open("votes", {**vote, "request_id": request_id})
    return {name: whole[name] for name in vote}


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
        found.setdefault(row["thread_id"], []).append(_request(opened(conn, "requests", row)))
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
    given = {**_changing(after), "outcome": outcome, "policy": after.policy.to_json()}
    changing = sealed(conn, "requests", {**given, "id": after.id})
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
            **changing,
            "version": before.version,
            "state": after.state.value,
            "outcome": None if outcome is None else Json(changing["outcome"]),
            "delivery": after.delivery.value,
            "closed_at": after.closed_at,
            "policy": Json(changing["policy"]),
            "audience": list(after.audience),
            **{name: Json(changing[name]) for name in ("timetable", "delegations", "comments")},
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
