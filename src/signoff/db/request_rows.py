"""Requests as rows of their table, and as they are read from it with their votes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from signoff.db.pool import Connection
from signoff.db.sealed import Sealer, opened
from signoff.domain.admission import Delegation
from signoff.domain.decision import Outcome, Vote
from signoff.domain.policy import Policy, rank
from signoff.domain.question import Pause, Question
from signoff.domain.request import Comment, Delivery, Request, RequestState
from signoff.domain.timetable import Moment

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
        **changing(request),
    }


def changing(request: Request) -> dict[str, Any]:
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


def request_of(row: dict[str, Any], votes: Sequence[Vote] = ()) -> Request:
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
    return request_of(opened(conn, "requests", row), votes)


def _opened_vote(sealer: Sealer, request_id: object, vote: dict[str, Any]) -> dict[str, Any]:
    whole = sealer.open("votes", {**vote, "request_id": request_id})
    return {name: whole[name] for name in vote}
