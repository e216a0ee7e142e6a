"""What LangGraph streams, as its own server shows it, and which questions it tells of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from langgraph.types import Interrupt

from signoff.domain.jsontext import to_json
from signoff.graph.keys import INTERRUPT
from signoff.graph.writes import schema

BREAKPOINT = ""
"""What stands for the id of a question where a run stops before or after a node: it has none."""


def shown(mode: str, payload: Any) -> Any:
    """A payload in the shape in which it goes out."""
    if mode == "debug" and payload["type"] == "checkpoint":
        return {**payload, "payload": _checkpoint(payload["payload"])}
    if mode == "checkpoints":
        return _checkpoint(payload)
    if isinstance(payload, dict) and INTERRUPT in payload:
        return {**payload, INTERRUPT: [_interrupt(each) for each in payload[INTERRUPT]]}
    return payload


def asked(mode: str, payload: Any) -> set[str]:
    """The ids of the questions that a payload tells of."""
    if mode == "debug":
        mode, payload = "tasks", payload["payload"]
    if mode in ("tasks", "checkpoints"):
        tasks = [payload, *payload.get("tasks", ())]
        return {each["id"] for task in tasks for each in task.get("interrupts", ())}
    if mode in ("updates", "values") and isinstance(payload, dict) and INTERRUPT in payload:
        return {each.id for each in payload[INTERRUPT]} or {BREAKPOINT}
    return set()


def as_json(payload: Any) -> str:
    """A payload as the JSON text that goes out, in one line, whatever is in it."""
    return orjson.dumps(to_json(payload)).decode()


def _interrupt(interrupt: Interrupt[Any]) -> dict[str, Any]:
    return {
        "value": interrupt.value,
        "id": interrupt.id,
        "response_schema": schema(interrupt),
    }


def _checkpoint(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint, named as in a thread's state besides, and without what only this process knows.

    The configs are what LangGraph's server names them by for older clients.
    """
    config, parent = payload["config"], payload["parent_config"]
    return {
        **payload,
        "config": _public(config),
        "parent_config": _public(parent),
        "checkpoint": _place(config),
        "parent_checkpoint": _place(parent),
        "tasks": [_task(task) for task in payload["tasks"]],
    }


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    """A task; where a subgraph executes it, with the subgraph's place in the history."""
    state = task.get("state")
    if not isinstance(state, dict) or "configurable" not in state:
        return dict(task)
    return {**{key: task[key] for key in task if key != "state"}, "checkpoint": _place(state)}


def _place(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if config is None:
        return None
    configurable = config["configurable"]
    return {
        "thread_id": configurable["thread_id"],
        "checkpoint_ns": configurable.get("checkpoint_ns", ""),
        "checkpoint_id": configurable.get("checkpoint_id"),
    }


def _public(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if config is None else {"configurable": dict(_settings(config["configurable"]))}


def _settings(configurable: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in configurable.items() if not key.startswith("__"))
