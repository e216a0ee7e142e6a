"""Reading what a task's writes say: did it finish, what does it ask, which answers has it taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.types import Interrupt

from signoff.domain.question import Pause
from signoff.graph.keys import CONTROL, ERROR, INTERRUPT, RESUME

Writes = Sequence[tuple[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One execution of a node at one checkpoint."""

    thread_id: str
    graph: str
    id: str
    node: str
    checkpoint_ns: str
    checkpoint_id: str

    def pause(self, interrupt: Interrupt[Any], *, position: int) -> Pause:
        """Where this task asks a question."""
        return Pause(
            thread_id=self.thread_id,
            graph=self.graph,
            node=self.node,
            interrupt_id=interrupt.id,
            task_id=self.id,
            checkpoint_ns=self.checkpoint_ns,
            checkpoint_id=self.checkpoint_id,
            position=position,
        )


def finished(writes: Writes) -> bool:
    """Whether the task ran to its end."""
    return any(channel not in CONTROL for channel, _ in writes)


def failed(writes: Writes) -> bool:
    """Whether the task raised."""
    return any(channel == ERROR for channel, _ in writes)


def answered(writes: Writes) -> int:
    """How many answers the task has taken so far; it writes all of them anew with each one."""
    return max(
        (
            len(given) if isinstance(given, list | tuple) else 1
            for channel, given in writes
            if channel == RESUME
        ),
        default=0,
    )


def interrupts(writes: Writes) -> list[Interrupt[Any]]:
    """The questions that the task asks."""
    found: list[Interrupt[Any]] = []
    for channel, value in writes:
        if channel == INTERRUPT:
            found.extend(value if isinstance(value, list | tuple) else [value])
    return found


def schema(interrupt: Interrupt[Any]) -> dict[str, Any] | None:
    """The JSON Schema that a surfaced interrupt carries."""
    return interrupt.response_schema if isinstance(interrupt.response_schema, dict) else None


def inside(checkpoint_ns: str, outer: str) -> bool:
    """Whether a namespace is `outer` or one of a subgraph inside it."""
    return not outer or checkpoint_ns == outer or checkpoint_ns.startswith(f"{outer}|")
