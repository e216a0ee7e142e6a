"""What this package relies on inside LangGraph: each of these fails when it stops being so."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from langgraph import types
from langgraph._internal import _constants
from langgraph.checkpoint.base import CheckpointMetadata, get_serializable_checkpoint_metadata
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.errors import UnknownInterruptError
from langgraph.graph import START, StateGraph
from langgraph.pregel._task_status import CONTROL_WRITES
from langgraph.types import Command, interrupt
from pydantic import BaseModel, ValidationError

from signoff.graph import guard, keys
from tests.conftest import OpenDesk
from tests.helpers import Log, chain, rows, settled, started, the_open


class Watching(InMemorySaver):
    """Keeps the configs that the engine calls a checkpointer with, and the metadata it saves."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, list[dict[str, Any]]] = {"get": [], "put": [], "writes": []}
        self.metadata: list[CheckpointMetadata] = []

    async def aget_tuple(self, config: Any) -> Any:
        self.calls["get"].append(config["configurable"])
        return await super().aget_tuple(config)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
        self.calls["put"].append(config["configurable"])
        self.metadata.append(get_serializable_checkpoint_metadata(config, metadata))
        return await super().aput(config, checkpoint, metadata, versions)

    async def aput_writes(self, config: Any, writes: Any, task_id: str, path: str = "") -> None:
        self.calls["writes"].append(config["configurable"])
        await super().aput_writes(config, writes, task_id, path)


def asks_twice(state: Log) -> Log:
    return {"seen": [interrupt("first"), interrupt("second")]}


def nested(node: Any) -> StateGraph[Any]:
    """`node` in a subgraph of a subgraph."""
    builder: StateGraph[Any] = StateGraph(Log)
    inner = StateGraph(Log).add_node("inner", node).add_edge(START, "inner").compile()
    middle = StateGraph(Log).add_node("middle", inner).add_edge(START, "middle").compile()
    return builder.add_node("outer", middle).add_edge(START, "outer")


def test_the_control_channels_are_the_engines() -> None:
    assert keys.CONTROL == CONTROL_WRITES
    assert keys.STRICT_RESUME == _constants.CONFIG_KEY_STRICT_RESUME
    assert keys.SCRATCHPAD == _constants.CONFIG_KEY_SCRATCHPAD
    assert keys.ERROR_SOURCE_NODE == _constants.ERROR_SOURCE_NODE


async def test_a_strict_resume_of_an_unknown_question_is_refused_before_any_write() -> None:
    saver = Watching()
    graph = chain(asks_twice).compile(checkpointer=saver)
    config = {"configurable": {"thread_id": "t", keys.STRICT_RESUME: True}}
    [first] = (await graph.ainvoke({}, config, version="v2")).interrupts
    await graph.ainvoke(Command(resume={first.id: "a"}), config)
    written = len(saver.calls["writes"])
    for stale in ({first.id: "again"}, {"0" * 32: "never"}, {}):
        with pytest.raises(UnknownInterruptError):
            await graph.ainvoke(Command(resume=stale), config)
    assert len(saver.calls["writes"]) == written
    [second] = (await graph.aget_state(config)).interrupts
    assert second.value == "second"


async def test_one_scratchpad_serves_all_questions_of_one_execution_and_no_other() -> None:
    pads: list[Any] = []

    def node(state: Log) -> Log:
        for question in ("first", "second"):
            pads.append(get_config()["configurable"][keys.SCRATCHPAD])
            interrupt(question)
        return {}

    graph = chain(node).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke({}, config)
    await graph.ainvoke(Command(resume="a"), config)
    [before, one, same] = pads
    assert one is same
    assert before is not one


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_the_run_reaches_the_checkpointer_at_any_depth_and_no_metadata(
    durability: Any,
) -> None:
    saver, run = Watching(), object()

    def asks(state: Log) -> Log:
        assert get_config()["configurable"][keys.RUN] is run
        return {"seen": [types.interrupt("deep", response_schema={"type": "string"})]}

    # The guard looks the run up; here it stands for a run whose tasks have no answers yet.
    graph = nested(asks).compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "t", keys.RUN: run}}
    with pytest.raises(AttributeError, match="answers"):
        await graph.ainvoke({}, config, durability=durability)
    namespaces = {call["checkpoint_ns"].count("|") for call in saver.calls["put"]}
    assert namespaces == {0, 1}
    assert "" in {call["checkpoint_ns"] for call in saver.calls["writes"]}
    for calls in saver.calls.values():
        assert all(call[keys.RUN] is run for call in calls), calls
    assert not any(keys.RUN in metadata for metadata in saver.metadata)


async def test_nothing_of_a_desks_run_lands_in_checkpoint_metadata(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": nested(asks_twice)})
    await started(desk)
    stored = [row["metadata"] for row in await rows(desk, "SELECT metadata FROM checkpoints")]
    assert len(stored) == 6
    assert not any(key.startswith("__") for metadata in stored for key in metadata)


def test_interrupt_is_the_function_that_graphs_have_imported_and_looks_as_ever() -> None:
    assert types.interrupt is interrupt
    assert interrupt.__module__ == "langgraph.types"
    assert interrupt.__code__ is guard._guarded.__code__
    [value, schema] = inspect.signature(interrupt).parameters.values()
    assert (value.name, value.kind) == ("value", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    assert (schema.name, schema.kind, schema.default) == (
        "response_schema",
        inspect.Parameter.KEYWORD_ONLY,
        None,
    )


class Answer(BaseModel):
    amount: int


def asks_typed(state: Log) -> Log:
    answer = interrupt("How much?", response_schema=Answer)
    assert isinstance(answer, Answer)
    return {"seen": [answer.amount, interrupt("And now?")]}


async def asks_typed_async(state: Log) -> Log:
    return await asyncio.to_thread(asks_typed, state)


def test_outside_a_desk_interrupt_behaves_as_ever() -> None:
    graph = chain(asks_typed).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    [asked] = graph.invoke({}, config)["__interrupt__"]
    assert (asked.value, asked.response_schema) == ("How much?", Answer.model_json_schema())
    with pytest.raises(ValidationError):
        graph.invoke(Command(resume={asked.id: {"amount": "none"}}), config)
    [again] = graph.invoke(Command(resume={asked.id: {"amount": 3}}), config)["__interrupt__"]
    assert (again.value, again.response_schema) == ("And now?", None)
    assert again.id != asked.id
    assert graph.invoke(Command(resume="done"), config)["seen"] == [3, "done"]


async def test_outside_a_desk_interrupt_behaves_as_ever_in_async_nodes() -> None:
    graph = chain(asks_typed_async).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    [asked] = (await graph.ainvoke({}, config))["__interrupt__"]
    await graph.ainvoke(Command(resume={asked.id: {"amount": 3}}), config)
    assert (await graph.ainvoke(Command(resume="done"), config))["seen"] == [3, "done"]


def test_outside_of_any_graph_interrupt_raises_as_ever() -> None:
    with pytest.raises(RuntimeError, match="outside of a runnable context"):
        interrupt("nobody")


async def test_a_desks_run_validates_answers_as_the_engine_does(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(asks_typed)})
    await started(desk)
    request = await the_open(desk)
    await desk.decide(request.id, "respond", values={"amount": 3}, by="jane")
    await settled(desk)
    request = await the_open(desk)
    await desk.decide(request.id, "respond", values={"value": "done"}, by="jane")
    assert (await settled(desk)).values == {"seen": [3, "done"]}


def test_the_channels_of_routes_and_the_task_of_no_node_are_the_engines() -> None:
    graph = chain(asks_twice).compile()
    assert keys.ROUTE + "asks_twice" in graph.channels
    assert keys.TASKS in graph.channels
    assert keys.NULL_TASK == _constants.NULL_TASK_ID


async def test_the_engine_notes_which_stop_it_has_passed_where_it_is_looked_for() -> None:
    def first(state: Log) -> Log:
        return {"amount": 1}

    def second(state: Log) -> Log:
        return {"amount": 2}

    graph = chain(first, second).compile(checkpointer=InMemorySaver(), interrupt_before=["second"])
    config: Any = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke({"seen": []}, config)
    stopped = await graph.checkpointer.aget_tuple(config)
    assert keys.INTERRUPT not in stopped.checkpoint["versions_seen"]
    await graph.ainvoke(None, config)
    ended = await graph.checkpointer.aget_tuple(config)
    seen = ended.checkpoint["versions_seen"][keys.INTERRUPT]
    assert seen == stopped.checkpoint["channel_versions"]
