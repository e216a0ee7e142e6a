"""Stops before and after nodes: each is a request, and going on is one delivery."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel

from signoff import Signoff
from signoff.config import Settings
from signoff.domain.errors import Forbidden, InvalidAnswer, InvalidInput, InvalidPolicy
from signoff.domain.request import Delivery, RequestState
from signoff.domain.thread import Thread, ThreadStatus
from signoff.front_desk import open_front_desk
from signoff.graph.state import Place
from signoff.policies.book import PolicyBook
from signoff.policies.file import PolicyFile
from signoff.policies.reading import load
from signoff.service.keep_time import keep_time
from signoff.service.update_state import update_state
from tests.conftest import Clock, OpenDesk
from tests.helpers import (
    Log,
    answered,
    chain,
    events,
    listed,
    redeployed,
    rows,
    settled,
    started,
    the_open,
)


class Order(TypedDict, total=False):
    """A state with fields of every sort."""

    amount: int
    due: date
    note: str
    log: Annotated[list[str], operator.add]


def draft(state: Order) -> Order:
    return {"amount": 3, "note": "new", "log": ["draft"]}


def file(state: Order) -> Order:
    return {"log": [f"filed {state['amount']}"]}


def small(state: Order) -> Order:
    return {"log": ["small"]}


def large(state: Order) -> Order:
    return {"log": ["large"]}


def load_book(text: str) -> PolicyBook:
    """The policies of a file with this text."""
    return load(dedent(text), path=Path("signoff.toml"))


async def passed(desk: Signoff, thread_id: str = "t", **values: Any) -> Thread:
    """The thread after its one stop was passed with these values."""
    request = await the_open(desk, thread_id)
    assert request.kind == "breakpoint"
    await desk.decide(request.id, "continue", values=values, by="jane")
    return await settled(desk, thread_id)


async def test_a_stop_is_a_request_that_shows_the_state_and_takes_values_for_it(
    open_desk: OpenDesk,
) -> None:
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    desk = await open_desk({"g": graph})
    assert (await started(desk)).status is ThreadStatus.INTERRUPTED
    request = await the_open(desk)
    assert (request.kind, request.node, request.title) == ("breakpoint", "file", "Go on with file?")
    assert request.payload == {
        "when": "before",
        "nodes": ["file"],
        "next": ["file"],
        "values": {"amount": 3, "note": "new", "log": ["draft"]},
    }
    assert request.action_names == ("continue", "abort")
    properties = request.actions[0]["schema"]["properties"]
    assert properties["amount"] == {"type": "integer", "title": "Amount"}
    assert (properties["due"]["type"], properties["due"]["format"]) == ("string", "date")
    assert properties["log"]["description"] == "Is added to what is there."
    for wrong in ({"amount": "many"}, {"price": 3}):
        with pytest.raises(InvalidAnswer):
            await desk.decide(request.id, "continue", values=wrong, by="jane")
    thread = await passed(desk, amount=5, log=["checked"])
    assert thread.status is ThreadStatus.IDLE
    assert thread.values["log"] == ["draft", "checked", "filed 5"]
    [request] = await listed(desk)
    assert (request.state, request.delivery) == (RequestState.DECIDED, Delivery.DELIVERED)
    assert await events(desk) == [
        "run.created",
        "request.opened",
        "request.decided",
        "request.delivered",
    ]


async def test_going_on_without_values_leaves_the_state_as_it_is(open_desk: OpenDesk) -> None:
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    desk = await open_desk({"g": graph})
    await started(desk)
    thread = await passed(desk)
    assert thread.values["log"] == ["draft", "filed 3"]
    assert len(await rows(desk, "SELECT 1 FROM checkpoints WHERE thread_id = 't'")) == 4


async def test_aborting_ends_the_thread_where_it_stands(open_desk: OpenDesk) -> None:
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    desk = await open_desk({"g": graph})
    await started(desk)
    await desk.decide((await the_open(desk)).id, "abort", by="jane")
    thread = await settled(desk)
    assert (thread.status, thread.values["log"]) == (ThreadStatus.IDLE, ["draft"])
    state = await desk.office.catalog["g"].graph.aget_state({"configurable": {"thread_id": "t"}})
    assert state.next == ()
    [request] = await listed(desk)
    assert request.delivery is Delivery.DELIVERED
    # Nothing is left of it that a run without input would go on with.
    await desk.start("g", None, by="starter", thread_id="t")
    assert (await settled(desk)).values["log"] == ["draft"]


@pytest.mark.parametrize(
    ("before", "after"),
    [(["file"], ["draft"]), ((), ["draft", "file"]), ("*", ()), ((), "*")],
)
async def test_several_breakpoints_of_one_run_stop_it_at_each(
    open_desk: OpenDesk, before: str | Sequence[str], after: str | Sequence[str]
) -> None:
    desk = await open_desk({"g": chain(draft, file, state=Order)})
    await desk.start(
        "g", {}, by="starter", thread_id="t", interrupt_before=before, interrupt_after=after
    )
    stops = []
    while (await settled(desk)).status is ThreadStatus.INTERRUPTED:
        request = await the_open(desk)
        stops.append((request.payload["when"], request.payload["nodes"]))
        await passed(desk)
    expected = {
        # What is after one node and before the next is one stop, as in LangGraph.
        ("file", "draft"): [("after", ["draft"])],
        ((), "draft file"): [("after", ["draft"]), ("after", ["file"])],
        ("*", ()): [("before", ["draft"]), ("before", ["file"])],
        ((), "*"): [("after", ["draft"]), ("after", ["file"])],
    }
    named = tuple(" ".join(each) if isinstance(each, list) else each for each in (before, after))
    assert stops == expected[named]  # type: ignore[index]
    assert (await settled(desk)).values["log"] == ["draft", "filed 3"]


async def test_breakpoints_of_a_run_take_the_place_of_the_graphs_own(open_desk: OpenDesk) -> None:
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    desk = await open_desk({"g": graph})
    await desk.start("g", {}, by="starter", thread_id="t", interrupt_before=["draft"])
    await settled(desk)
    assert (await the_open(desk)).node == "draft"
    thread = await passed(desk, note="mine")
    assert (thread.status, thread.values["log"]) == (ThreadStatus.IDLE, ["draft", "filed 3"])


async def test_a_node_to_stop_at_that_there_is_not_is_refused(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(draft, file, state=Order)})
    with pytest.raises(InvalidInput, match="interrupt_after names 'sign'") as refused:
        await desk.start("g", {}, by="starter", interrupt_after=["draft", "sign"])
    assert [each.pointer for each in refused.value.errors] == ["/interrupt_after"]


async def test_a_node_to_stop_at_that_a_worker_does_not_find_ends_the_run_before_it_begins(
    open_desk: OpenDesk, database_url: str
) -> None:
    """Whoever starts a run need not have the graph."""
    desk = await open_desk({"g": chain(draft, file, state=Order)})
    async with open_front_desk(database_url, Settings(graphs={"g": "./elsewhere.py:g"})) as front:
        await front.start("g", {}, by="starter", thread_id="t", interrupt_before=["sign"])
        thread = await settled(desk)
    assert thread.status is ThreadStatus.ERROR
    assert thread.error == "interrupt_before names 'sign', which is no node of graph 'g'"
    assert not (thread.values or {}).get("log")


async def test_going_on_with_a_node_to_stop_at_that_there_is_not_fails_and_can_be_retried(
    open_desk: OpenDesk, database_url: str
) -> None:
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    desk = await open_desk({"g": graph})
    await started(desk)
    with pytest.raises(InvalidInput, match="interrupt_before names 'sign'"):
        await desk.start("g", None, by="jane", thread_id="t", interrupt_before=["sign"])
    assert (await the_open(desk)).state is RequestState.OPEN
    async with open_front_desk(database_url, Settings(graphs={"g": "./elsewhere.py:g"})) as front:
        await front.start("g", None, by="jane", thread_id="t", interrupt_before=["sign"])
        thread = await settled(desk)
    wrong = "interrupt_before names 'sign', which is no node of graph 'g'"
    assert (thread.status, thread.error) == (ThreadStatus.ERROR, wrong)
    assert thread.values["log"] == ["draft"]
    [request] = await listed(desk)
    assert (request.delivery, request.delivery_error) == (Delivery.FAILED, wrong)
    await desk.retry(request.id, by="jane")
    assert (await settled(desk)).values["log"] == ["draft", "filed 3"]


async def test_a_node_to_stop_at_that_is_gone_by_now_does_not_hold_up_a_decision(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(draft, file, small, state=Order)})
    await desk.start(
        "g", {"log": []}, by="starter", thread_id="t", interrupt_before=["file", "small"]
    )
    await settled(desk)
    desk = await redeployed(desk, open_desk, {"g": chain(draft, file, state=Order)})
    assert (await passed(desk)).values["log"] == ["draft", "filed 3"]


def by_amount() -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(Order)
    builder.add_node("draft", draft)
    builder.add_node("small", small)
    builder.add_node("large", large)
    builder.add_edge(START, "draft")
    builder.add_conditional_edges(
        "draft", lambda state: "large" if state["amount"] > 10 else "small", ["large", "small"]
    )
    return builder


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_route_is_found_anew_with_the_values(open_desk: OpenDesk, when: str) -> None:
    stop: Any = {"interrupt_before": "*"} if when == "before" else {"interrupt_after": ["draft"]}
    desk = await open_desk({"g": by_amount().compile(**stop)})
    await started(desk)
    if when == "before":
        await passed(desk)
    assert (await the_open(desk)).payload["next"] == ["small"]
    thread = await passed(desk, amount=50)
    assert thread.values["log"] == ["draft", "large"]


async def test_a_route_that_a_node_chose_by_a_command_is_kept(open_desk: OpenDesk) -> None:
    def choose(state: Order) -> Command[str]:
        return Command(update={"amount": 1}, goto=["small", Send("large", {"amount": 9})])

    builder: StateGraph[Any] = StateGraph(Order)
    builder.add_node("choose", choose)
    builder.add_node("small", small)
    builder.add_node("large", large)
    builder.add_edge(START, "choose")
    desk = await open_desk({"g": builder.compile(interrupt_after=["choose"])})
    await started(desk)
    thread = await passed(desk, amount=2, log=["checked"])
    assert thread.values["amount"] == 2
    assert sorted(thread.values["log"]) == ["checked", "large", "small"]
    assert thread.values["log"][0] == "checked"


async def test_after_parallel_nodes_each_finds_its_way_with_the_values(
    open_desk: OpenDesk,
) -> None:
    def left(state: Order) -> Order:
        return {"log": ["left"]}

    def right(state: Order) -> Order:
        return {"log": ["right"]}

    def route(small: str, large: str) -> Callable[[Order], str]:
        return lambda state: large if state.get("amount", 0) > 10 else small

    def joined(state: Order) -> Order:
        return {"log": ["joined"]}

    builder: StateGraph[Any] = StateGraph(Order)
    for node in (left, right, small, large, joined):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "left")
    builder.add_edge(START, "right")
    builder.add_edge(["left", "right"], "joined")
    builder.add_conditional_edges("left", route("small", END), ["small", END])
    builder.add_conditional_edges("right", route(END, "large"), ["large", END])
    desk = await open_desk({"g": builder.compile(interrupt_after=["left", "right"])})
    await started(desk)
    request = await the_open(desk)
    assert sorted(request.payload["nodes"]) == ["left", "right"]
    assert sorted(request.payload["next"]) == ["joined", "small"]
    thread = await passed(desk, amount=50)
    assert sorted(thread.values["log"]) == ["joined", "large", "left", "right"]


async def test_what_was_sent_is_sent_anew_with_the_values(open_desk: OpenDesk) -> None:
    def each(state: dict[str, Any]) -> Log:
        return {"seen": [state["item"]]}

    def plan(state: Log) -> Log:
        return {"amount": 2}

    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("plan", plan)
    builder.add_node("each", each)
    builder.add_edge(START, "plan")
    builder.add_conditional_edges(
        "plan", lambda s: [Send("each", {"item": n}) for n in range(s["amount"])], ["each"]
    )
    desk = await open_desk({"g": builder.compile(interrupt_before=["each"])})
    await started(desk)
    thread = await passed(desk, amount=3)
    assert sorted(thread.values["seen"]) == [0, 1, 2]


async def test_values_before_the_first_node_are_as_if_they_were_input(open_desk: OpenDesk) -> None:
    builder = chain(file, state=Order)
    desk = await open_desk({"g": builder.compile(interrupt_before=["file"])})
    await started(desk, input={"amount": 1, "log": ["given"]})
    thread = await passed(desk, amount=8)
    assert thread.values["log"] == ["given", "filed 8"]


class Patient(BaseModel):
    """Part of a state that is a model."""

    name: str
    born: date | None = None


class Case(BaseModel):
    """A Pydantic state."""

    patient: Patient
    dose: int = 1
    tags: Annotated[list[str], operator.add] = []


async def test_values_become_what_a_pydantic_state_holds(open_desk: OpenDesk) -> None:
    def read(state: Case) -> dict[str, Any]:
        return {"tags": [type(state.patient).__name__]}

    def use(state: Case) -> dict[str, Any]:
        return {"tags": [f"{state.patient.name} {state.patient.born!r} {state.dose}"]}

    desk = await open_desk({"g": chain(read, use, state=Case).compile(interrupt_before=["use"])})
    await started(desk, input={"patient": {"name": "Ada"}})
    request = await the_open(desk)
    assert request.actions[0]["schema"]["$defs"]["Patient"]["required"] == ["name"]
    with pytest.raises(InvalidAnswer):
        await desk.decide(request.id, "continue", values={"patient": {}}, by="jane")
    thread = await passed(desk, patient={"name": "Eve", "born": "1990-02-01"}, dose=4, tags=["x"])
    assert thread.values["tags"] == ["Patient", "x", "Eve datetime.date(1990, 2, 1) 4"]


@dataclass
class Plan:
    """A dataclass state."""

    day: date = date(2026, 1, 1)
    steps: Annotated[list[str], operator.add] = field(default_factory=list)


async def test_values_become_what_a_dataclass_state_holds(open_desk: OpenDesk) -> None:
    async def make(state: Plan) -> dict[str, Any]:
        return {"steps": ["made"]}

    def use(state: Plan) -> dict[str, Any]:
        return {"steps": [repr(state.day)]}

    desk = await open_desk({"g": chain(make, use, state=Plan).compile(interrupt_after=["make"])})
    await started(desk, input={"steps": []})
    thread = await passed(desk, day="2026-05-04", steps=["more"])
    assert thread.values["steps"] == ["made", "more", "datetime.date(2026, 5, 4)"]


async def test_messages_are_added_and_replaced_by_their_ids(open_desk: OpenDesk) -> None:
    def answer(state: MessagesState) -> Any:
        return {"messages": [AIMessage("Buy it.", id="draft")]}

    def send(state: MessagesState) -> Any:
        return {"messages": [HumanMessage(state["messages"][-2].text.upper())]}

    graph = chain(answer, send, state=MessagesState).compile(interrupt_before=["send"])
    desk = await open_desk({"g": graph})
    await started(desk, input={"messages": [{"role": "user", "content": "Shall I?"}]})
    request = await the_open(desk)
    assert [each["content"] for each in request.payload["values"]["messages"]] == [
        "Shall I?",
        "Buy it.",
    ]
    edited = [
        {"type": "ai", "id": "draft", "content": "It depends."},
        {"role": "user", "content": "On what?"},
    ]
    thread = await passed(desk, messages=edited)
    said = [each["content"] for each in thread.values["messages"]]
    assert said == ["Shall I?", "It depends.", "On what?", "IT DEPENDS."]


async def test_private_fields_are_neither_shown_nor_edited_unless_they_are_named(
    open_desk: OpenDesk,
) -> None:
    class Private(TypedDict):
        secret: str

    def make(state: Order) -> Private:
        return {"secret": "s"}

    def use(state: Private) -> Order:
        return {"log": [state["secret"]]}

    builder: StateGraph[Any] = StateGraph(Order)
    builder.add_node("make", make)
    builder.add_node("use", use, input_schema=Private)
    builder.add_edge(START, "make")
    builder.add_edge("make", "use")
    book = load_book('[breakpoints."h:use"]\nshow = ["secret"]\nlabels = {secret = "The secret"}\n')
    graph = builder.compile(interrupt_before=["use"])
    desk = await open_desk({"g": graph, "h": graph}, policies=lambda: book)
    await started(desk, input={"amount": 1})
    request = await the_open(desk)
    assert request.payload["values"] == {"amount": 1, "log": []}
    assert "secret" not in request.actions[0]["schema"]["properties"]
    await started(desk, "h", {"amount": 1}, thread_id="u")
    request = await the_open(desk, "u")
    assert request.payload["values"] == {"secret": "s"}
    assert list(request.actions[0]["schema"]["properties"]) == ["secret"]
    assert request.actions[0]["schema"]["properties"]["secret"]["title"] == "The secret"
    assert (await passed(desk, "u", secret="mine")).values["log"] == ["mine"]


async def test_the_table_of_a_node_says_what_is_shown_and_edited(open_desk: OpenDesk) -> None:
    book = load_book(
        """
        [breakpoints.file]
        title = "File {amount} ({unknown})"
        show = ["note", "amount"]
        edit = []

        [[policy]]
        kind = "breakpoint"
        node = "file"
        to = ["jane"]
        within = "1h"
        otherwise = "abort"
        """
    )
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    desk = await open_desk({"g": graph}, policies=lambda: book)
    await started(desk)
    request = await the_open(desk)
    assert request.title == "File 3 ({unknown})"
    assert list(request.payload["values"]) == ["note", "amount"]
    assert request.actions[0]["schema"] is None
    assert request.policy.to == ("jane",)
    with pytest.raises(Forbidden):
        await desk.start("g", None, by="stranger", thread_id="t")
    with pytest.raises(InvalidAnswer):
        await desk.decide(request.id, "continue", values={"amount": 2}, by="jane")


async def test_a_table_for_a_node_that_there_is_not_is_refused_when_the_desk_opens(
    open_desk: OpenDesk, tmp_path: Path
) -> None:
    path = tmp_path / "signoff.toml"
    inner = chain(file, state=Order).compile()
    graph = chain(draft, state=Order)
    graph.add_node("inner", inner)
    path.write_text('[breakpoints.draft]\n[breakpoints."g:file"]\n[breakpoints."g:fiel"]\n')
    with pytest.raises(InvalidPolicy, match=r"toml:3: breakpoints names 'fiel'.*did you mean file"):
        await open_desk({"g": graph}, policies=PolicyFile(path))
    path.write_text('[breakpoints.draft]\n[breakpoints."g:file"]\ntitle = "File?"\n')
    book = PolicyFile(path)
    await open_desk({"g": graph}, policies=book)
    path.write_text("[breakpoints.darft]\n")
    assert book().breakpoint_form("g", ["file"]).title == "File?"


async def test_what_a_table_names_and_the_state_does_not_have_is_said_on_the_request(
    open_desk: OpenDesk,
) -> None:
    text = (
        '[breakpoints.file]\nshow = ["amount", "amuont"]\nedit = ["not"]\nlabels = { amount = "A" }'
    )
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    book = load_book(text)
    desk = await open_desk({"g": graph}, policies=lambda: book)
    await started(desk)
    request = await the_open(desk)
    remark = "Its table in signoff.toml names what the state does not have: amuont, not."
    assert (request.remark, request.payload["values"]) == (remark, {"amount": 3})


@pytest.mark.parametrize(
    ("otherwise", "log"),
    [
        ('{ action = "continue", values = { amount = 7 } }', ["draft", "filed 7"]),
        ('"abort"', ["draft"]),
    ],
)
async def test_at_its_deadline_the_fallback_is_carried_out(
    open_desk: OpenDesk, clock: Clock, otherwise: str, log: list[str]
) -> None:
    book = load_book(f'[policy]\nwithin = "1h"\notherwise = {otherwise}\n')
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    desk = await open_desk({"g": graph}, policies=lambda: book, now=clock)
    await started(desk)
    clock.forward(timedelta(hours=2))
    await keep_time(desk.office)
    assert (await settled(desk)).values["log"] == log
    [request] = await listed(desk)
    assert (request.state, request.delivery) == (RequestState.EXPIRED, Delivery.DELIVERED)


# --- in other graphs -------------------------------------------------------------------------


def calling(graph: Any) -> Any:
    """A node that calls a graph by itself."""

    async def call(state: Order) -> Order:
        return {"log": (await graph.ainvoke({"log": []}))["log"]}

    return call


def inside(*, levels: int, called: bool = False) -> StateGraph[Any]:
    """`draft` and `file` in a graph of their own that stops between them, so many levels down."""
    graph: Any = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    for level in range(levels):
        builder: StateGraph[Any] = StateGraph(Order)
        name = f"level{level}"
        builder.add_node(name, calling(graph) if called else graph)
        builder.add_edge(START, name)
        builder.add_node("after", lambda state: {"log": ["after"]})
        builder.add_edge(name, "after")
        graph = builder.compile() if level + 1 < levels else builder
    return graph


@pytest.mark.parametrize(("levels", "called"), [(1, False), (2, False), (1, True)])
async def test_a_stop_inside_a_subgraph_takes_values_for_its_own_state(
    open_desk: OpenDesk, levels: int, called: bool
) -> None:
    desk = await open_desk({"g": inside(levels=levels, called=called)})
    await started(desk)
    request = await the_open(desk)
    assert request.node == "file"
    assert request.pause.checkpoint_ns.count("|") == levels - 1
    assert request.pause.checkpoint_ns.startswith(f"level{levels - 1}:")
    thread = await passed(desk, amount=6, log=["checked"])
    assert thread.status is ThreadStatus.IDLE
    assert thread.values["log"] == ["draft", "checked", "filed 6", *["after"] * levels]


async def test_aborting_inside_a_subgraph_ends_the_whole_thread(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": inside(levels=1)})
    await started(desk)
    await desk.decide((await the_open(desk)).id, "abort", by="jane")
    thread = await settled(desk)
    assert (thread.status, thread.values["log"]) == (ThreadStatus.IDLE, [])


async def test_no_branch_goes_on_past_its_breakpoint_because_another_one_may(
    open_desk: OpenDesk,
) -> None:
    ran: list[str] = []

    def stopping(name: str) -> Any:
        def stop(state: Log) -> Log:
            ran.append(name)
            return {"seen": [name]}

        builder = StateGraph(Log).add_node(name, stop).add_edge(START, name)
        return builder.compile(interrupt_before=[name])

    def asking(state: Log) -> Log:
        return {"seen": [interrupt("which?")]}

    builder: StateGraph[Any] = StateGraph(Log)
    for node, does in (("a", stopping("one")), ("b", stopping("two")), ("c", asking)):
        builder.add_node(node, does)
        builder.add_edge(START, node)
    desk = await open_desk({"g": builder})
    await started(desk)
    waiting = {request.node: request for request in await listed(desk, "open")}
    assert sorted(waiting) == ["c", "one", "two"]
    await desk.decide(waiting["c"].id, "respond", values={"value": "this"}, by="jane")
    await desk.decide(waiting["one"].id, "continue", by="jane")
    assert (await settled(desk)).status is ThreadStatus.INTERRUPTED
    assert ran == []
    assert [r.node for r in await listed(desk, "open")] == ["two"]
    await desk.decide(waiting["two"].id, "continue", values={"seen": ["mine"]}, by="jane")
    thread = await settled(desk)
    assert thread.status is ThreadStatus.IDLE
    assert sorted(thread.values["seen"]) == ["mine", "one", "this", "two"]
    assert sorted(ran) == ["one", "two"]
    assert {r.delivery for r in await listed(desk)} == {Delivery.DELIVERED}


async def test_a_node_may_ask_once_its_breakpoint_is_passed(open_desk: OpenDesk) -> None:
    def review(state: Order) -> Order:
        return {"log": [interrupt("Really?")]}

    desk = await open_desk({"g": chain(draft, review, state=Order).compile(interrupt_before="*")})
    await started(desk)
    await passed(desk)
    await passed(desk, amount=4)
    thread = await answered(desk, "yes")
    assert thread.values["log"] == ["draft", "yes"]
    kinds = [request.kind for request in await listed(desk)]
    assert kinds == ["breakpoint", "breakpoint", "question"]


# --- when something else happens to the thread -----------------------------------------------


async def test_new_input_leaves_a_stop_behind(open_desk: OpenDesk) -> None:
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    desk = await open_desk({"g": graph})
    await started(desk)
    await started(desk, input={"log": ["again"]})
    first, second = await listed(desk)
    assert (first.state, second.state) == (RequestState.SUPERSEDED, RequestState.OPEN)
    assert (await passed(desk)).values["log"] == ["draft", "again", "draft", "filed 3"]


async def test_a_state_that_is_updated_by_hand_is_asked_about_anew(open_desk: OpenDesk) -> None:
    book = load_book('[policy]\nto = "jane"\nfour_eyes = true\n')
    graph = chain(draft, file, state=Order)
    desk = await open_desk({"g": graph}, policies=lambda: book)
    await desk.start("g", {}, by="starter", thread_id="t", interrupt_before=["file"])
    await settled(desk)
    place = Place(thread_id="t")
    with pytest.raises(Forbidden):
        await update_state(desk.office, place, {"amount": 8}, as_node=None, by="sam")
    await update_state(desk.office, place, {"amount": 9}, as_node=None, by="jane")
    first, second = await listed(desk)
    assert (first.state, second.state) == (RequestState.SUPERSEDED, RequestState.OPEN)
    assert (second.revises, second.remark) == (
        first.id,
        "The state was changed by hand while this was open.",
    )
    assert second.payload["values"]["amount"] == 9
    assert second.involved == ("starter",)
    assert (await desk.thread("t")).status is ThreadStatus.INTERRUPTED
    with pytest.raises(Forbidden):
        await desk.start("g", None, by="sam", thread_id="t")
    await desk.start("g", None, by="jane", thread_id="t")
    assert (await settled(desk)).values["log"] == ["draft", "filed 9"]


async def test_whoever_runs_the_graph_elsewhere_leaves_a_stop_behind(open_desk: OpenDesk) -> None:
    builder = chain(draft, file, state=Order)
    desk = await open_desk({"g": builder.compile(interrupt_before=["file"])})
    await started(desk)
    elsewhere = builder.compile(checkpointer=desk.checkpointer("g"), interrupt_before=["file"])
    await elsewhere.ainvoke(None, {"configurable": {"thread_id": "t"}})
    [request] = await listed(desk)
    assert (request.state, request.delivery) == (RequestState.SUPERSEDED, Delivery.NONE)
    assert (await desk.thread("t")).status is ThreadStatus.IDLE


async def test_a_stop_that_nobody_has_asked_about_is_asked_about_and_not_passed(
    open_desk: OpenDesk,
) -> None:
    builder = chain(draft, file, state=Order)
    desk = await open_desk({"g": builder.compile(interrupt_before=["file"])})
    elsewhere = builder.compile(checkpointer=desk.checkpointer("g"), interrupt_before=["file"])
    await elsewhere.ainvoke({"amount": 1}, {"configurable": {"thread_id": "t"}})
    await desk.start("g", None, by="starter", thread_id="t")
    thread = await settled(desk)
    assert (thread.status, thread.values["log"]) == (ThreadStatus.INTERRUPTED, ["draft"])
    assert (await passed(desk)).values["log"] == ["draft", "filed 3"]


async def test_a_cancelled_stop_is_asked_about_again_when_the_thread_is_to_go_on(
    open_desk: OpenDesk,
) -> None:
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    desk = await open_desk({"g": graph})
    run = await desk.start("g", {}, by="starter", thread_id="t")
    await settled(desk)
    await desk.cancel("t", run.id, by="starter")
    assert (await desk.thread("t")).status is ThreadStatus.IDLE
    await desk.start("g", None, by="starter", thread_id="t")
    await settled(desk)
    first, second = await listed(desk)
    assert (first.state, second.revises) == (RequestState.WITHDRAWN, first.id)
    assert (await passed(desk)).values["log"] == ["draft", "filed 3"]


# --- when something goes wrong ---------------------------------------------------------------


def last_note(before: str, after: str) -> str:
    """A reducer that may refuse."""
    if not after:
        raise ValueError("no note")
    return after


class Noted(TypedDict, total=False):
    """A state whose note may not be empty."""

    amount: int
    note: Annotated[str, last_note]
    log: Annotated[list[str], operator.add]


def failing_below(amount: int) -> StateGraph[Any]:
    """A graph whose second node fails on less."""

    def file_it(state: Any) -> Any:
        if state["amount"] < amount:
            raise ValueError("too little")
        return {"log": [f"filed {state['amount']}"]}

    return chain(draft, file_it, state=Noted)


async def test_values_that_the_graph_does_not_take_show_as_a_failed_delivery(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": failing_below(0).compile(interrupt_before=["file_it"])})
    await started(desk)
    thread = await passed(desk, note="", log=["doubled?"])
    assert thread.status is ThreadStatus.ERROR
    assert "no note" in (thread.error or "")
    [request] = await listed(desk)
    assert request.delivery is Delivery.FAILED
    # A run without input does not go past it either.
    await desk.start("g", None, by="starter", thread_id="t")
    assert (await settled(desk)).status is ThreadStatus.ERROR
    await desk.retry(request.id, by="sam", reask=True)
    assert (await settled(desk)).status is ThreadStatus.INTERRUPTED
    anew = await the_open(desk)
    assert anew.revises == request.id
    thread = await passed(desk, note="fine", log=["once"])
    assert thread.values["log"] == ["draft", "once", "filed 3"]


async def test_where_the_node_fails_after_it_the_values_are_kept_for_a_retry(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": failing_below(100).compile(interrupt_before=["file_it"])})
    await started(desk)
    thread = await passed(desk, log=["checked"])
    assert (thread.status, thread.error) == (ThreadStatus.ERROR, "ValueError: too little")
    [request] = await listed(desk)
    assert request.delivery is Delivery.FAILED
    desk = await redeployed(
        desk, open_desk, {"g": failing_below(0).compile(interrupt_before=["file_it"])}
    )
    await desk.retry(request.id, by="sam")
    thread = await settled(desk)
    assert thread.values["log"] == ["draft", "checked", "filed 3"]
    assert (await desk.request(request.id)).delivery is Delivery.DELIVERED


@pytest.mark.parametrize("with_values", [True, False])
async def test_asking_anew_goes_back_to_the_state_before_the_values(
    open_desk: OpenDesk, with_values: bool
) -> None:
    desk = await open_desk({"g": failing_below(100).compile(interrupt_before=["file_it"])})
    await started(desk)
    await passed(desk, **({"amount": 5, "log": ["checked"]} if with_values else {}))
    [request] = await listed(desk)
    await desk.retry(request.id, by="sam", reask=True)
    assert (await settled(desk)).status is ThreadStatus.INTERRUPTED
    anew = await the_open(desk)
    assert (anew.revises, anew.payload["values"]) == (request.id, request.payload["values"])
    thread = await passed(desk, amount=200, log=["checked"])
    assert thread.status is ThreadStatus.IDLE
    assert thread.values["log"] == ["draft", "checked", "filed 200"]


async def test_a_decision_waits_for_the_node_that_the_deployed_graph_has_lost(
    open_desk: OpenDesk,
) -> None:
    graph = chain(draft, file, state=Order).compile(interrupt_before=["file"])
    desk = await open_desk({"g": graph})
    await started(desk)
    request = await the_open(desk)
    desk = await redeployed(desk, open_desk, {"g": chain(draft, small, state=Order).compile()})
    await desk.decide(request.id, "continue", values={"amount": 8}, by="jane")
    thread = await settled(desk)
    assert (thread.status, thread.values["log"]) == (ThreadStatus.ERROR, ["draft"])
    assert "has no node 'file'" in (thread.error or "")
    desk = await redeployed(desk, open_desk, {"g": chain(draft, file, state=Order).compile()})
    await desk.retry(request.id, by="sam")
    assert (await settled(desk)).values["log"] == ["draft", "filed 8"]


async def test_a_large_state_is_shown_as_far_as_a_request_can_hold_it(open_desk: OpenDesk) -> None:
    def write(state: Order) -> Order:
        return {"amount": 1, "note": "x" * 2_000_000}

    desk = await open_desk({"g": chain(write, file, state=Order).compile(interrupt_before="*")})
    await started(desk)
    await passed(desk)
    request = await the_open(desk)
    assert request.payload["values"] == {"amount": 1, "log": []}
    assert request.payload["left_out"] == ["note"]
    assert (await passed(desk)).values["log"] == ["filed 1"]


@task
def drafted(number: int) -> str:
    return f"draft {number}"


@entrypoint()
def flow(given: dict[str, int]) -> dict[str, str]:
    return {"out": drafted(given["n"]).result()}


async def test_an_entrypoint_is_stopped_at_as_a_whole_and_shows_what_goes_in_and_comes_out(
    open_desk: OpenDesk,
) -> None:
    """Its tasks are no nodes, and it has no state that could be given values."""
    desk = await open_desk({"flow": flow})
    with pytest.raises(InvalidInput, match="names 'drafted', which is no node"):
        await desk.start("flow", {"n": 1}, by="starter", interrupt_before=["drafted"])
    both = {"interrupt_before": "*", "interrupt_after": "*"}
    await desk.start("flow", {"n": 1}, by="starter", thread_id="t", **both)
    await settled(desk)
    before = await the_open(desk)
    assert before.question.payload["values"] == {"n": 1}
    assert [each["schema"] for each in before.question.actions] == [None, None]
    with pytest.raises(InvalidAnswer):
        await desk.decide(before.id, "continue", values={"n": 2}, by="jane")
    await desk.decide(before.id, "continue", by="jane")
    assert (await settled(desk)).status is ThreadStatus.INTERRUPTED
    after = await the_open(desk)
    assert after.question.payload | {"when": "after"} == after.question.payload
    assert after.question.payload["values"] == {"out": "draft 1"}
    await desk.decide(after.id, "abort", by="jane")
    thread = await settled(desk)
    assert (thread.status, thread.values) == (ThreadStatus.IDLE, {"out": "draft 1"})


async def test_an_entrypoint_whose_stop_could_not_be_passed_is_asked_about_again(
    open_desk: OpenDesk, database_url: str
) -> None:
    desk = await open_desk({"flow": flow})
    await desk.start("flow", {"n": 1}, by="starter", thread_id="t", interrupt_before="*")
    await settled(desk)
    async with open_front_desk(database_url, Settings(graphs={"flow": "./a.py:b"})) as front:
        await front.start("flow", None, by="jane", thread_id="t", interrupt_before=["drafted"])
        await settled(desk)
    [request] = await listed(desk)
    await desk.retry(request.id, by="jane", reask=True)
    assert (await settled(desk)).status is ThreadStatus.INTERRUPTED
    again = await the_open(desk)
    await desk.decide(again.id, "continue", by="jane")
    assert (await settled(desk)).values == {"out": "draft 1"}
