"""What those routes answer with that LangGraph's own server has as well, in its shapes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from signoff.api.schemas import JSONObject, Shape

ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
RunStatus = Literal["pending", "running", "success", "error", "timeout", "interrupted"]


def _none_required(schema: JSONObject) -> None:
    schema.pop("required", None)


_SELECTED = ConfigDict(json_schema_extra=_none_required)


class Checkpoint(Shape):
    """A place in a thread's history."""

    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str | None


class Interrupt(Shape):
    """A question that waits for its answer."""

    id: str
    value: Any
    response_schema: JSONObject | None = None


class Task(Shape):
    """A node that a state has to execute, or has executed, next."""

    id: str
    name: str
    path: list[Any]
    error: str | None
    interrupts: list[Interrupt]
    checkpoint: Checkpoint | None
    state: State | None
    result: Any


class State(Shape):
    """A thread's state at a checkpoint."""

    values: Any
    next: list[str]
    tasks: list[Task]
    metadata: JSONObject
    created_at: datetime | None
    checkpoint: Checkpoint
    parent_checkpoint: Checkpoint | None
    interrupts: list[Interrupt]
    checkpoint_id: str | None
    parent_checkpoint_id: str | None


class SelectedState(State):
    """Of a state, the fields that were selected."""

    model_config = _SELECTED


class StateUpdated(Shape):
    """Where an update of the state has put the thread."""

    checkpoint: Checkpoint
    checkpoint_id: str


class Thread(Shape):
    """One instance of a workflow. A search that selects fields leaves out the others."""

    thread_id: str
    created_at: datetime
    updated_at: datetime
    state_updated_at: datetime
    metadata: JSONObject
    status: ThreadStatus
    config: JSONObject
    values: Any
    error: str | None
    interrupts: dict[str, list[Interrupt]] = Field(description="By the task that asks.")


class SelectedThread(Thread):
    """Of a thread, the fields that were selected, and what was extracted."""

    extracted: dict[str, Any] = Field(description="By the names that the search gave them.")

    model_config = _SELECTED


class Run(Shape):
    """One execution on a thread."""

    run_id: str
    thread_id: str
    assistant_id: str
    metadata: JSONObject
    status: RunStatus = Field(
        description="LangGraph's word: a paused run is a `success`, a cancelled one `interrupted`."
    )
    arguments: JSONObject = Field(alias="kwargs", description="What the run was started with.")
    multitask_strategy: Literal["enqueue", "reject"]
    error: str | None
    kind: Literal["start", "resume", "continue"]
    created_at: datetime
    updated_at: datetime
    langsmith_session_name: None = Field(description="Only LangGraph's own server has one.")


class SelectedRun(Run):
    """Of a run, the fields that were selected."""

    model_config = _SELECTED


class Assistant(Shape):
    """A graph that is served, as LangGraph's server shows it: each has one assistant."""

    assistant_id: str
    graph_id: str
    name: str
    description: str | None
    config: JSONObject
    context: JSONObject
    metadata: JSONObject
    version: int
    created_at: datetime
    updated_at: datetime


class SelectedAssistant(Assistant):
    """Of an assistant, the fields that were selected."""

    model_config = _SELECTED


class GraphSchemas(Shape):
    """The JSON Schemas of a graph; null where there is none."""

    graph_id: str
    input_schema: JSONObject | None
    output_schema: JSONObject | None
    state_schema: JSONObject | None
    config_schema: JSONObject | None
    context_schema: JSONObject | None


class Drawing(Shape):
    """A graph as it can be drawn."""

    nodes: list[JSONObject]
    edges: list[JSONObject]
