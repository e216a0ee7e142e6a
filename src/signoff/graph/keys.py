"""Names inside LangGraph that this package relies on, each in this one place.

`tests/graph/test_keys.py` fails when one of them stops working.
"""

from __future__ import annotations

from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME, TASKS

STRICT_RESUME = "__pregel_strict_resume"
"""In a config: refuse a resume that names an interrupt which is not pending, before any write."""

SCRATCHPAD = "__pregel_scratchpad"
"""In a node's config: the state of its task, one object over all its calls of `interrupt()`."""

ERROR_SOURCE_NODE = "__error_source_node__"
"""The channel of a write that sends a failed task to its error handler."""

CONTROL = frozenset({ERROR, ERROR_SOURCE_NODE, INTERRUPT, RESUME})
"""Channels of writes that tell of a task's course; a task with any other write has finished."""

RUN = "__signoff"
"""In a config: the `RunContext` of a run that this desk executes. LangGraph keeps keys with two
leading underscores out of checkpoint metadata."""

NULL_TASK = "00000000-0000-0000-0000-000000000000"
"""The task of writes that belong to a checkpoint's own state and to no node."""

ROUTE = "branch:to:"
"""What the name of a channel begins with by which one node has another run next; the rest of it is
that one's name. A node that is sent something has it run by the channel `TASKS` instead."""

__all__ = [
    "CONTROL",
    "ERROR",
    "ERROR_SOURCE_NODE",
    "INTERRUPT",
    "NULL_TASK",
    "RESUME",
    "ROUTE",
    "RUN",
    "SCRATCHPAD",
    "STRICT_RESUME",
    "TASKS",
]
