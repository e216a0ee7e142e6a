"""Requests, threads, runs and users as the JSON that HTTP answers with and the command line prints.

A request has Signoff's own shape; threads and runs have that of LangGraph's server.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from signoff.db.message_lists import MessageDelivery
from signoff.db.messages import Item
from signoff.domain.address import EMAIL, RUN, WEBHOOK, masked
from signoff.domain.errors import InvalidInput, SignoffError
from signoff.domain.key import Key
from signoff.domain.question import BREAKPOINT
from signoff.domain.request import Request
from signoff.domain.run import Run, RunStatus
from signoff.domain.thread import Thread
from signoff.domain.user import User
from signoff.graph.catalog import assistant_id

RUN_STATUS = {
    RunStatus.QUEUED: "pending",
    RunStatus.RUNNING: "running",
    RunStatus.PAUSED: "success",
    RunStatus.SUCCEEDED: "success",
    RunStatus.FAILED: "error",
    RunStatus.CANCELLED: "interrupted",
}
"""LangGraph's word for where a run stands. A pause is a success there: the thread has the rest."""


def user_json(user: User) -> dict[str, Any]:
    """A user; `until` is the moment from which it is there again.

    Addresses are without their secrets. `chosen` says that the preferences are their own.
    """
    return {
        "name": user.name,
        "groups": list(user.groups),
        "email": user.email,
        "role": user.role.value,
        "graphs": None if user.graphs is None else list(user.graphs),
        "away": [
            {
                "substitute": absence.substitute,
                "from": None if absence.since is None else absence.since.isoformat(),
                "until": None if absence.until is None else absence.until.isoformat(),
            }
            for absence in user.absences
        ],
        "addresses": [masked(*way) for way in user.ways if way[0] != EMAIL],
        "preferences": user.wishes.to_json(),
        "chosen": user.chosen is not None,
    }


def key_json(key: Key, now: datetime) -> dict[str, Any]:
    """An API key, without its secret; the role of one for a user is the most that it may."""
    return {
        "id": key.id,
        "name": key.name,
        "principal": key.principal,
        "user": key.user,
        "role": key.role.value,
        "groups": list(key.groups),
        "graphs": None if key.graphs is None else list(key.graphs),
        "state": key.state(now),
        "created_at": key.created_at.isoformat(),
        "created_by": key.created_by,
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
        "last_used_at": None if key.last_used_at is None else key.last_used_at.isoformat(),
    }


def request_json(request: Request) -> dict[str, Any]:
    """A request as the contract has it."""
    return {
        "id": request.id,
        "thread_id": request.thread_id,
        "run_id": request.run_id,
        "graph": request.graph,
        "node": request.node,
        "interrupt_id": request.interrupt_id,
        "checkpoint_id": request.checkpoint_id,
        "state": request.state.value,
        "kind": request.kind,
        "topic": request.topic,
        "title": request.title,
        "payload": request.payload,
        "actions": list(request.actions),
        "policy": request.policy.to_json(),
        "priority": request.priority,
        "digest": request.digest,
        "votes": [vote.to_json() for vote in request.votes],
        "missing": request.missing,
        "outcome": None if request.outcome is None else request.outcome.to_json(),
        "delivery": request.delivery.value,
        "delivery_error": request.delivery_error,
        "claimed_by": request.claimed_by,
        "audience": list(request.audience),
        "involved": list(request.involved),
        "delegations": [delegation.to_json() for delegation in request.delegations],
        "comments": [comment.to_json() for comment in request.comments],
        "overdue": request.overdue,
        "revises": request.revises,
        "remark": request.remark,
        "opened_at": _time(request.opened_at),
        "deadline": _time(request.deadline),
        "closed_at": _time(request.closed_at),
        "delivered_at": _time(request.delivered_at),
    }


def thread_json(thread: Thread, waiting: Sequence[Request] = ()) -> dict[str, Any]:
    """A thread as LangGraph's server has it; `waiting` are its pauses without an answer."""
    return {
        "thread_id": thread.id,
        "created_at": _time(thread.created_at),
        "updated_at": _time(thread.updated_at),
        "state_updated_at": _time(thread.state_updated_at),
        "metadata": thread.metadata,
        "status": thread.status.value,
        "config": {} if thread.graph is None else {"configurable": {}},
        "values": thread.values,
        "error": thread.error,
        "interrupts": interrupts_json(waiting),
    }


def interrupts_json(waiting: Sequence[Request]) -> dict[str, list[dict[str, Any]]]:
    """What a thread waits for, by the task that asks. Not breakpoints, as in LangGraph."""
    interrupts: dict[str, list[dict[str, Any]]] = {}
    for request in waiting:
        if request.kind == BREAKPOINT:
            continue
        interrupts.setdefault(request.pause.task_id, []).append(
            {"id": request.interrupt_id, "value": request.payload}
        )
    return interrupts


def run_json(run: Run) -> dict[str, Any]:
    """A run as LangGraph's server has it."""
    return {
        "run_id": run.id,
        "thread_id": run.thread_id,
        "assistant_id": str(assistant_id(run.graph)),
        "metadata": {
            **run.metadata,
            "graph_id": run.graph,
            "assistant_id": str(assistant_id(run.graph)),
            "created_by": run.by,
        },
        "status": RUN_STATUS[run.status],
        "kwargs": {
            "input": run.input,
            "command": None,
            "config": run.config,
            "context": run.context or {},
            "stream_mode": run.options.get("stream_mode", ["values"]),
            "interrupt_before": run.options.get("interrupt_before"),
            "interrupt_after": run.options.get("interrupt_after"),
            "durability": run.options.get("durability", "async"),
            "checkpoint_during": True,
            "subgraphs": run.options.get("stream_subgraphs", False),
            "resumable": True,
            "temporary": False,
            "feedback_keys": None,
            "webhook": run.options.get("webhook"),
        },
        "multitask_strategy": run.options.get("multitask_strategy", "enqueue"),
        "error": run.error,
        "kind": run.kind.value,
        "created_at": _time(run.created_at),
        "updated_at": _time(run.updated_at),
        "langsmith_session_name": None,
    }


def delivery_json(delivery: MessageDelivery) -> dict[str, Any]:
    """A message and how it fares; of its address no more than may be shown."""
    item = delivery.item
    return {
        "id": item.id,
        "state": delivery.state,
        "occasion": item.occasion,
        "channel": item.channel,
        "to": item.recipient,
        "address": shown_address(item),
        "request_id": item.request_id,
        "thread_id": item.thread_id,
        "run_id": item.run_id,
        "graph": delivery.graph,
        "by": item.by,
        "attempts": item.attempts,
        "error": delivery.error,
        "at": _time(item.at),
        "due_at": _time(delivery.due_at),
        "settled_at": _time(delivery.settled_at),
    }


def shown_address(item: Item) -> str:
    """An address as it may be shown: of those that may hold a secret, only where they lead."""
    if item.channel == WEBHOOK:
        return item.address
    if item.channel == RUN:
        parts = urlsplit(item.address)
        return f"{parts.scheme}://{parts.hostname}/…"
    return masked(item.channel, item.address)


def error_json(error: SignoffError) -> dict[str, Any]:
    """What went wrong: a stable code, a message for people, and where, as far as that is known."""
    errors = error.errors if isinstance(error, InvalidInput) else ()
    return {
        "code": error.code,
        "message": error.message,
        "errors": [each.as_dict() for each in errors],
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
