"""A thread: one instance of a workflow."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from signoff.domain.errors import FieldError, InvalidInput

MAX_THREAD_ID = 255
"""The longest thread id, in characters."""

_THREAD_ID = re.compile(r"[A-Za-z0-9._:@-]{1,255}")


class ThreadStatus(StrEnum):
    """LangGraph's words for where a thread stands."""

    IDLE = "idle"
    BUSY = "busy"
    INTERRUPTED = "interrupted"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Thread:
    """One instance of a workflow.

    ``values`` is the graph's state as JSON at the thread's last pause or end, ``error`` what the
    last run failed with. ``state_updated_at`` is when a run or an update last left such values.
    """

    id: str
    graph: str | None
    status: ThreadStatus
    values: dict[str, Any] | None
    error: str | None
    metadata: dict[str, Any] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime
    state_updated_at: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to one thread: valid as long as the thread's epoch is this one."""

    thread_id: str
    epoch: int


def is_thread_id(text: object) -> bool:
    """Whether a thread can have this id; nothing else can be found in the database."""
    return isinstance(text, str) and _THREAD_ID.fullmatch(text) is not None


def check_thread_id(thread_id: str) -> str:
    """`thread_id`, if it is one.

    Raises:
        InvalidInput: It is not 1 to 255 letters, digits and ``. _ : @ -``.
    """
    if not is_thread_id(thread_id):
        problem = f"has 1 to {MAX_THREAD_ID} letters, digits and . _ : @ -"
        raise InvalidInput(
            f"a thread id {problem}, not {thread_id!r:.300}", [FieldError("/thread_id", problem)]
        )
    return thread_id
