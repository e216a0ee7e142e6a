"""A thread's state as LangGraph keeps it, in the JSON shape of LangGraph's own server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import Interrupt, PregelTask, StateSnapshot

from signoff.domain.errors import CheckpointNotFound
from signoff.domain.jsontext import to_json
from signoff.graph.catalog import Served, assistant_id
from signoff.graph.writes import schema


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A checkpoint of a thread: `id` None is the latest, `namespace` that of a subgraph."""

    thread_id: str
    id: str | None = None
    namespace: str = ""

    def config(self) -> RunnableConfig:
        """The place as LangGraph names it."""
        configurable = {"thread_id": self.thread_id, "checkpoint_ns": self.namespace}
        if self.id is not None:
            configurable["checkpoint_id"] = self.id
        return {"configurable": configurable}


async def state_at(
    served: Served, place: Place, *, subgraphs: bool = False, waiting: bool = False
) -> dict[str, Any]:
    """The state at a place; an empty one for a thread that has none yet.

    A thread that is `waiting` for answers has gone on since whatever its tasks that ask failed with
    before, which LangGraph keeps for as long as they have not finished.

    Raises:
        CheckpointNotFound: There is no such checkpoint or subgraph.
    """
    snapshot = await served.graph.aget_state(place.config(), subgraphs=subgraphs)
    if snapshot.created_at is None and (place.id is not None or place.namespace):
        raise CheckpointNotFound(f"Thread {place.thread_id} has no such checkpoint or subgraph.")
    state = _state(snapshot, place.thread_id)
    if waiting:
        _forget_errors(state)
    return state


async def history(
    served: Served,
    place: Place,
    *,
    before: str | None = None,
    metadata: dict[str, Any] | None = None,
    limit: int,
) -> list[dict[str, Any]]:
    """The states of a thread or of one of its subgraphs, the latest first."""
    earlier = None if before is None else Place(thread_id=place.thread_id, id=before).config()
    return [
        _state(snapshot, place.thread_id)
        async for snapshot in served.graph.aget_state_history(
            place.config(), filter=metadata, before=earlier, limit=limit
        )
    ]


def empty_state(thread_id: str) -> dict[str, Any]:
    """The state of a thread on which no graph has run."""
    config = Place(thread_id=thread_id).config()
    return _state(StateSnapshot({}, (), config, None, None, None, (), ()), thread_id)


def _state(snapshot: StateSnapshot, thread_id: str) -> dict[str, Any]:
    checkpoint = checkpoint_json(snapshot.config, thread_id)
    parent = None
    if snapshot.parent_config is not None:
        parent = checkpoint_json(snapshot.parent_config, thread_id)
    return {
        "values": to_json(snapshot.values),
        "next": list(snapshot.next),
        "tasks": [_task(task, thread_id) for task in snapshot.tasks],
        "metadata": _metadata(snapshot, thread_id),
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint,
        "parent_checkpoint": parent,
        "interrupts": [_interrupt(interrupt) for interrupt in snapshot.interrupts],
        "checkpoint_id": checkpoint["checkpoint_id"],
        "parent_checkpoint_id": parent and parent["checkpoint_id"],
    }


def _metadata(snapshot: StateSnapshot, thread_id: str) -> dict[str, Any]:
    """What a checkpoint says of itself, and what follows from that."""
    said = cast("dict[str, Any]", to_json(snapshot.metadata or {}))
    if graph := said.get("graph_id"):
        said |= {"assistant_id": str(assistant_id(graph)), "thread_id": thread_id}
    return said


def _task(task: PregelTask, thread_id: str) -> dict[str, Any]:
    state, checkpoint = None, None
    if isinstance(task.state, StateSnapshot):
        state = _state(task.state, thread_id)
        checkpoint = state["checkpoint"]
    elif task.state is not None:
        checkpoint = checkpoint_json(task.state, thread_id)
    return {
        "id": task.id,
        "name": task.name,
        "path": to_json(task.path),
        "error": None if task.error is None else to_json(task.error),
        "interrupts": [_interrupt(interrupt) for interrupt in task.interrupts],
        "checkpoint": checkpoint,
        "state": state,
        "result": to_json(task.result),
    }


def _forget_errors(state: dict[str, Any]) -> None:
    for task in state["tasks"]:
        if task["interrupts"]:
            task["error"] = None
        if task["state"] is not None:
            _forget_errors(task["state"])


def _interrupt(interrupt: Interrupt[Any]) -> dict[str, Any]:
    shown = {"id": interrupt.id, "value": to_json(interrupt.value)}
    response_schema = schema(interrupt)
    return shown if response_schema is None else {**shown, "response_schema": response_schema}


def checkpoint_json(config: RunnableConfig, thread_id: str) -> dict[str, Any]:
    """A checkpoint as LangGraph's server names it."""
    configurable = config["configurable"]
    return {
        "thread_id": thread_id,
        "checkpoint_ns": configurable.get("checkpoint_ns", ""),
        "checkpoint_id": configurable.get("checkpoint_id"),
    }
