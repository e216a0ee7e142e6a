"""What graphs have in their states and what they ask with, ordinary and odd."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, TypedDict
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt
from pydantic import BaseModel, Field

from signoff.domain.errors import ConfigError
from signoff.domain.run import RunStatus
from signoff.domain.thread import ThreadStatus
from signoff.service import read
from tests.conftest import OpenDesk
from tests.helpers import (
    Log,
    answered,
    chain,
    fork,
    listed,
    rows,
    settled,
    started,
    the_open,
)


class Invoice(BaseModel):
    number: int
    due: date


class Model(BaseModel):
    invoice: Invoice
    seen: Annotated[list[Any], operator.add] = Field(default_factory=list)


async def test_a_pydantic_state_is_a_model_in_the_node_and_json_on_the_thread(
    open_desk: OpenDesk,
) -> None:
    def node(state: Model) -> dict[str, Any]:
        assert isinstance(state, Model)
        assert state.invoice.due == date(2026, 3, 2)
        return {"seen": [interrupt(f"pay {state.invoice.number}?")]}

    desk = await open_desk({"g": chain(node, state=Model)})
    await started(desk, input={"invoice": {"number": 7, "due": "2026-03-02"}})
    assert (await the_open(desk)).title == "pay 7?"
    thread = await answered(desk, "yes")
    assert thread.values == {"invoice": {"number": 7, "due": "2026-03-02"}, "seen": ["yes"]}
    assert (await desk.thread("t")).values == thread.values


@dataclass
class Data:
    amount: Decimal = Decimal("1.10")
    seen: Annotated[list[Any], operator.add] = field(default_factory=list)


def _grown(state: list[Any], new: Sequence[list[Any]]) -> list[Any]:
    return [*state, *(each for part in new for each in part)]


class Growing(TypedDict):
    items: Annotated[list[Any], DeltaChannel(_grown)]


async def test_a_channel_that_is_kept_by_its_changes_survives_the_pause(
    open_desk: OpenDesk,
) -> None:
    def first(state: Growing) -> Growing:
        return {"items": ["first"]}

    def second(state: Growing) -> Growing:
        return {"items": [interrupt("which?")]}

    def third(state: Growing) -> Growing:
        return {"items": [len(state["items"])]}

    desk = await open_desk({"g": chain(first, second, third, state=Growing)})
    await started(desk, input={"items": ["in"]})
    assert (await answered(desk, "a")).values["items"] == ["in", "first", "a", 3]
    await started(desk, input={"items": ["on"]})
    assert (await answered(desk, "b")).values["items"][4:] == ["on", "first", "b", 7]


async def test_the_history_of_a_thread_is_the_engines(open_desk: OpenDesk) -> None:
    def node(state: Log) -> Log:
        return {"seen": [interrupt("which?")]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    await answered(desk, "this")
    graph = desk.office.catalog["g"].graph
    config: Any = {"configurable": {"thread_id": "t"}}
    history = [state async for state in graph.aget_state_history(config)]
    assert [state.next for state in history] == [(), ("node",), ("__start__",)]
    assert history[0].values == {"seen": ["this"]}


async def test_a_dataclass_state_works_as_well(open_desk: OpenDesk) -> None:
    def node(state: Data) -> dict[str, Any]:
        assert isinstance(state, Data)
        return {"seen": [interrupt("pay?")], "amount": state.amount * 2}

    desk = await open_desk({"g": chain(node, state=Data)})
    await started(desk, input={"amount": 3})
    thread = await answered(desk, "yes")
    assert thread.values == {"amount": 6, "seen": ["yes"]}


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


async def test_messages_keep_their_ids_over_the_pause(open_desk: OpenDesk) -> None:
    def talk(state: Talk) -> Talk:
        answer = interrupt("What shall I say?")
        return {"messages": [AIMessage(answer, id="2")]}

    desk = await open_desk({"g": chain(talk, state=Talk)})
    await started(desk, input={"messages": [{"role": "user", "content": "hello", "id": "1"}]})
    thread = await answered(desk, "good bye")
    said = [(m["id"], m["type"], m["content"]) for m in thread.values["messages"]]
    assert said == [("1", "human", "hello"), ("2", "ai", "good bye")]


class Colour(Enum):
    RED = "red"


class Level(StrEnum):
    HIGH = "high"


class Size(IntEnum):
    LARGE = 3


class Anything(TypedDict, total=False):
    thing: Any
    seen: Annotated[list[Any], operator.add]


@pytest.mark.parametrize(
    ("thing", "shown"),
    [
        (datetime(2026, 3, 2, 9, tzinfo=UTC), "2026-03-02T09:00:00+00:00"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"\x00\xff", "AP8="),
        ({3, 1, 2}, [1, 2, 3]),
        (math.nan, None),
        (math.inf, None),
        ("with \x00", "with \ufffd"),
        ({"a\x00b": ["\x00"]}, {"a\ufffdb": ["\ufffd"]}),
        (Colour.RED, "red"),
        (Level.HIGH, "high"),
        (Size.LARGE, 3),
        (HumanMessage("hello", id="1").content, "hello"),
        (-0.5, -0.5),
        (True, True),
        ("", ""),
        ({}, {}),
        (2**63, 2**63),
        (-(2**63), -(2**63)),
    ],
    ids=lambda value: repr(value)[:24].encode("ascii", "replace").decode(),
)
async def test_a_value_survives_the_pause_as_it_is_and_shows_as_json(
    open_desk: OpenDesk, thing: Any, shown: Any
) -> None:
    met: list[Any] = []

    def first(state: Anything) -> Anything:
        return {"thing": thing}

    def second(state: Anything) -> Anything:
        met.append(state["thing"])
        return {"seen": [interrupt("fine?")]}

    desk = await open_desk({"g": chain(first, second, state=Anything)})
    thread = await started(desk)
    assert thread.status is ThreadStatus.INTERRUPTED
    assert thread.values["thing"] == shown
    assert thread.values == (await desk.thread("t")).values
    await answered(desk, "yes")
    assert len(met) == 2
    for each in met:
        assert type(each) is type(thing)
        assert each == thing or (isinstance(each, float) and math.isnan(each))


async def test_a_lone_surrogate_in_the_state_ends_the_run_and_not_the_thread(
    open_desk: OpenDesk,
) -> None:
    def node(state: Anything) -> Anything:
        return {"thing": "\ud800" if state.get("thing") == "bad" else "good"}

    desk = await open_desk({"g": chain(node, state=Anything)})
    thread = await started(desk, input={"thing": "bad"})
    assert thread.status in (ThreadStatus.ERROR, ThreadStatus.IDLE)
    assert (await started(desk, input={"thing": "x"})).values["thing"] == "good"


class Opaque:
    """Something that has no form outside of this process."""


@pytest.mark.parametrize("thing", [lambda: None, 2**70], ids=["function", "huge integer"])
async def test_a_value_that_cannot_be_kept_ends_the_run_with_a_reason(
    open_desk: OpenDesk, thing: Any
) -> None:
    """LangGraph has no form for these; with its own checkpointers the run raises as well."""

    def node(state: Anything) -> Anything:
        return {"thing": thing}

    desk = await open_desk({"g": chain(node, state=Anything)})
    thread = await started(desk)
    assert thread.status is ThreadStatus.ERROR
    assert any(word in str(thread.error) for word in ("serializable", "64-bit"))
    [row] = await rows(desk, "SELECT status FROM runs")
    assert row["status"] == "failed"


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (("a", 1), ["a", 1]),
        (datetime(2026, 3, 2, tzinfo=UTC), "2026-03-02T00:00:00+00:00"),
        ({"when": date(2026, 3, 2), 3: {1}}, {"when": "2026-03-02", "3": [1]}),
        (Invoice(number=7, due=date(2026, 3, 2)), {"number": 7, "due": "2026-03-02"}),
        ("nul \x00 and \ud800", "nul \ufffd and \ufffd"),
        (math.nan, None),
        (None, None),
    ],
    ids=["tuple", "datetime", "dict", "model", "odd characters", "nan", "none"],
)
async def test_a_bare_question_of_any_sort_is_shown_as_json(
    open_desk: OpenDesk, payload: Any, shown: Any
) -> None:
    def node(state: Log) -> Log:
        return {"seen": [interrupt(payload)]}

    desk = await open_desk({"g": chain(node)})
    thread = await started(desk)
    assert thread.status is ThreadStatus.INTERRUPTED
    request = await the_open(desk)
    assert request.payload == shown
    assert request.title
    assert (await answered(desk, "yes")).values["seen"] == ["yes"]


@pytest.mark.parametrize("value", [lambda: None, Opaque()], ids=["function", "object"])
async def test_a_question_that_cannot_be_kept_ends_the_run_with_a_reason(
    open_desk: OpenDesk, value: Any
) -> None:
    def node(state: Log) -> Log:
        return {"seen": [interrupt(value)]}

    desk = await open_desk({"g": chain(node)})
    thread = await started(desk)
    assert (thread.status, thread.error is None) == (ThreadStatus.ERROR, False)
    assert await listed(desk) == []


async def test_a_question_over_one_mebibyte_ends_the_run_with_a_reason(
    open_desk: OpenDesk,
) -> None:
    def node(state: Log) -> Log:
        return {"seen": [interrupt("x" * (state["amount"]))]}

    desk = await open_desk({"g": chain(node)})
    thread = await started(desk, input={"amount": 1_100_000})
    assert thread.status is ThreadStatus.ERROR
    assert "1 MiB" in str(thread.error)
    assert await listed(desk) == []
    thread = await started(desk, input={"amount": 3})
    assert (thread.status, thread.error) == (ThreadStatus.INTERRUPTED, None)


async def test_a_question_that_cannot_be_asked_leaves_its_neighbours_open(
    open_desk: OpenDesk,
) -> None:
    def large(state: Log) -> Log:
        return {"seen": [interrupt("x" * 1_100_000)]}

    def small(state: Log) -> Log:
        return {"seen": [interrupt("small?")]}

    desk = await open_desk({"g": fork(small, large)})
    thread = await started(desk)
    assert thread.status is ThreadStatus.ERROR
    assert [r.title for r in await listed(desk)] in (["small?"], [])


async def test_what_the_database_refuses_ends_the_run_and_not_the_worker(
    open_desk: OpenDesk,
) -> None:
    def node(state: Log) -> Log:
        return {"seen": [interrupt("which?"), interrupt("refused?")]}

    desk = await open_desk({"g": chain(node)})
    await rows(desk, "ALTER TABLE requests ADD CHECK (title <> 'refused?')")
    await started(desk)
    thread = await answered(desk, "this")
    assert thread.status is ThreadStatus.ERROR
    assert "check constraint" in str(thread.error)
    [request] = await listed(desk)
    assert (request.state, request.delivery) == ("decided", "failed")
    [run] = await rows(desk, "SELECT id, status FROM runs WHERE kind = 'resume'")
    assert run["status"] == "failed"


async def test_the_functional_api_is_served_with_what_it_returned_before(
    open_desk: OpenDesk,
) -> None:
    ran: list[int] = []

    @task
    def square(number: int) -> int:
        ran.append(number)
        return number * number

    @entrypoint(checkpointer=InMemorySaver())
    def flow(number: int, *, previous: Any = None) -> Any:
        result = square(number).result()
        answer = interrupt(f"{result}?")
        return {"result": result, "answer": answer, "previous": previous and previous["answer"]}

    desk = await open_desk({"g": flow})
    await started(desk, input=3)
    thread = await answered(desk, "yes")
    assert thread.values == {"result": 9, "answer": "yes", "previous": None}
    assert ran == [3]
    await started(desk, input=4)
    assert (await answered(desk, "no")).values["previous"] == "yes"


async def test_a_flow_may_return_anything(open_desk: OpenDesk) -> None:
    @entrypoint()
    async def flow(number: int) -> int:
        return number + int(interrupt("how much more?"))

    desk = await open_desk({"g": flow})
    await started(desk, input=3)
    assert (await answered(desk, 4)).values == 7


async def test_a_compiled_graph_is_served_with_the_desks_checkpointer(open_desk: OpenDesk) -> None:
    memory = InMemorySaver()

    def node(state: Log) -> Log:
        return {"seen": [interrupt("which?")]}

    compiled = chain(node).compile(checkpointer=memory, name="mine")
    desk = await open_desk({"g": compiled})
    await started(desk)
    assert (await answered(desk, "this")).values["seen"] == ["this"]
    assert list(memory.list(None)) == []
    assert compiled.checkpointer is memory


async def test_a_function_that_makes_a_graph_is_served(open_desk: OpenDesk) -> None:
    def node(state: Log) -> Log:
        return {"seen": [interrupt("which?")]}

    def make(config: dict[str, Any]) -> Any:
        return chain(node).compile()

    desk = await open_desk({"g": make, "h": lambda: chain(node)})
    for name in ("g", "h"):
        await started(desk, name, thread_id=name)
        assert (await answered(desk, "this", name)).values["seen"] == ["this"]


async def test_something_else_than_a_graph_is_refused_by_its_name(open_desk: OpenDesk) -> None:
    async def make() -> Any:
        return None

    for wrong in (3, make, lambda: "text"):
        with pytest.raises(ConfigError, match="'wrong'"):
            await open_desk({"wrong": wrong})


@pytest.mark.parametrize("when", ["before", "after"])
async def test_breakpoints_of_a_graph_are_kept_and_a_run_stops_there(
    open_desk: OpenDesk, when: str
) -> None:
    ran: list[str] = []

    def first(state: Log) -> Log:
        ran.append("first")
        return {}

    def second(state: Log) -> Log:
        ran.append("second")
        return {"seen": ["done"]}

    stop: Any = (
        {"interrupt_before": ["second"]} if when == "before" else {"interrupt_after": ["first"]}
    )
    desk = await open_desk({"g": chain(first, second).compile(**stop)})
    run = await desk.start("g", {}, by="starter", thread_id="t")
    thread = await settled(desk)
    assert (thread.status, ran) == (ThreadStatus.INTERRUPTED, ["first"])
    assert (await read.get_run(desk.office, "t", run.id)).status is RunStatus.PAUSED
    await desk.start("g", None, by="starter", thread_id="t")
    thread = await settled(desk)
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["done"])
    assert ran == ["first", "second"]


async def test_a_graph_that_runs_into_its_recursion_limit_has_failed(open_desk: OpenDesk) -> None:
    def again(state: Log) -> Log:
        return {"seen": [1]}

    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("again", again)
    builder.add_edge(START, "again")
    builder.add_edge("again", "again")
    desk = await open_desk({"g": builder})
    await desk.start("g", {}, by="starter", thread_id="t", config={"recursion_limit": 5})
    thread = await settled(desk)
    assert thread.status is ThreadStatus.ERROR
    assert str(thread.error).startswith("GraphRecursionError")
    assert len(thread.values["seen"]) == 5


async def test_a_config_that_is_none_ends_the_run_with_a_reason(open_desk: OpenDesk) -> None:
    def node(state: Log) -> Log:
        return {}

    desk = await open_desk({"g": chain(node)})
    for number, config in enumerate(({"configurable": 5}, {"recursion_limit": "many"})):
        await desk.start("g", {}, by="starter", thread_id=f"t{number}", config=config)
        assert (await settled(desk, f"t{number}")).status is ThreadStatus.ERROR
