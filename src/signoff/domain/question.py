"""A question that a pause asks, and the place where it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from signoff.domain.policy import Policy

BREAKPOINT = "breakpoint"
"""The kind of a stop before or after nodes, which LangGraph has no interrupt for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a pause asks, understood: the part of a request that comes from the graph.

    ``actions`` are JSON objects with ``name``, ``label``, ``style``, ``note`` and ``schema``, the
    JSON Schema of the values that the action takes. ``digest`` binds a decision to this content.
    ``remark`` says why it was read as it was, where that surprises; a request keeps it as its own.
    """

    kind: str
    title: str
    topic: str | None
    payload: Any
    actions: tuple[dict[str, Any], ...]
    policy: Policy
    digest: str
    response_schema: dict[str, Any] | None = None
    remark: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """The place in a thread where a question was asked.

    ``position`` counts the questions of the same task that were answered before this one.
    """

    thread_id: str
    graph: str
    node: str
    interrupt_id: str
    task_id: str
    checkpoint_ns: str
    checkpoint_id: str
    position: int
