"""A run: one execution on a thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class RunKind(StrEnum):
    """What the execution does: begin with input, deliver answers, or go on from where it stands."""

    START = "start"
    RESUME = "resume"
    CONTINUE = "continue"


class RunStatus(StrEnum):
    """Where an execution stands; the last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One execution on a thread.

    ``fork_from`` is the checkpoint that a run which asks a question anew goes back to, None for
    the thread's latest. ``options`` are the wire's settings of the run, kept as they came.
    ``traceparent`` is what has asked for it, where that is traced.
    """

    id: str
    thread_id: str
    graph: str
    kind: RunKind
    status: RunStatus
    by: str
    input: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    fork_from: str | None = None
    attempt: int = 0
    error: str | None = None
    traceparent: str | None = None
    created_at: datetime
    updated_at: datetime
