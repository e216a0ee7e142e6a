"""Threads that move on by other hands: new input, updates of the state, graphs run elsewhere."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt

from signoff.domain.errors import (
    InvalidInput,
    InvalidQuestion,
    RequestClosed,
    ThreadBusy,
    TooLarge,
)
from signoff.domain.thread import ThreadStatus
from signoff.service import decide as deciding
from tests.conftest import OpenDesk
from tests.helpers import (
    TIMEOUT,
    Log,
    answered,
    by_title,
    chain,
    events,
    fork,
    listed,
    rows,
    settled,
    started,
    the_open,
)


class Part(TypedDict, total=False):
    """The state of one part of a fan-out."""

    number: int
    seen: Annotated[list[Any], operator.add]


CONFIG: Any = {"configurable": {"thread_id": "t"}}


def review(state: Log) -> Log:
    return {"seen": [interrupt("which?")]}


def twice(state: Log) -> Log:
    return {"seen": [interrupt("first?"), interrupt("second?")]}


async def elsewhere(open_desk: OpenDesk, builder: StateGraph[Any], name: str = "g") -> Any:
    """The graph as another program compiles it, over a pool of its own."""
    program = await open_desk({}, work=False)
    return builder.compile(checkpointer=program.checkpointer(name))


async def test_new_input_supersedes_what_a_thread_waits_for(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    old = await the_open(desk)
    await started(desk, input={"seen": ["new"]})
    assert (await desk.request(old.id)).state == "superseded"
    with pytest.raises(RequestClosed):
        await desk.decide(old.id, "respond", values={"value": 1}, by="jane")
    assert (await answered(desk, "this")).values["seen"] == ["new", "this"]
    assert "request.superseded" in await events(desk)


async def test_an_answer_that_new_input_overtook_shows_as_failed_and_the_thread_goes_its_way(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    old = await the_open(desk)
    await desk.__aexit__(None, None, None)
    desk = await open_desk({"g": chain(review)}, work=False)
    await desk.start("g", {"seen": ["new"]}, by="starter", thread_id="t")
    await desk.decide(old.id, "respond", values={"value": "late"}, by="jane")
    await open_desk({"g": chain(review)})
    thread = await settled(desk)
    assert (thread.status, thread.error) == (ThreadStatus.INTERRUPTED, None)
    late = await desk.request(old.id)
    assert (late.state, late.delivery) == ("decided", "failed")
    assert "moved on" in str(late.delivery_error)
    assert (await answered(desk, "this")).values["seen"] == ["new", "this"]


async def test_a_graph_that_runs_elsewhere_has_its_requests_here_too(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": fork(review, twice)})
    graph = await elsewhere(open_desk, fork(review, twice))
    await graph.ainvoke({}, CONFIG)
    thread = await desk.thread("t")
    assert (thread.status, thread.graph) == (ThreadStatus.INTERRUPTED, "g")
    asked = await by_title(desk)
    assert {title: request.node for title, request in asked.items()} == {
        "which?": "review",
        "first?": "twice",
    }
    for title in ("which?", "first?"):
        await desk.decide(asked[title].id, "respond", values={"value": title}, by="jane")
        await settled(desk)
    thread = await answered(desk, "end")
    assert thread.status is ThreadStatus.IDLE
    assert sorted(thread.values["seen"]) == ["end", "first?", "which?"]
    assert {r.delivery.value for r in await listed(desk)} == {"delivered"}
    assert (await events(desk))[:2] == ["request.opened", "request.opened"]


async def test_a_fan_out_and_a_subgraph_that_run_elsewhere_ask_once_each(
    open_desk: OpenDesk,
) -> None:
    def scatter(state: Log) -> list[Send]:
        return [Send("part", {"number": number}) for number in range(2)]

    def ask_part(state: Part) -> Log:
        return {"seen": [(state["number"], interrupt(f"part {state['number']}?"))]}

    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("part", chain(ask_part, state=Part).compile())
    builder.add_conditional_edges(START, scatter, ["part"])
    desk = await open_desk({"g": builder})
    graph = await elsewhere(open_desk, builder)
    await graph.ainvoke({}, CONFIG)
    asked = await by_title(desk)
    assert {title: request.node for title, request in asked.items()} == {
        "part 0?": "ask_part",
        "part 1?": "ask_part",
    }
    for request in asked.values():
        await desk.decide(request.id, "respond", values={"value": "x"}, by="jane")
    thread = await settled(desk)
    assert sorted(thread.values["seen"]) == [[0, "x"], [1, "x"]]


async def test_an_update_of_the_state_supersedes_what_a_thread_waits_for(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    old = await the_open(desk)
    graph = await elsewhere(open_desk, chain(review))
    await graph.aupdate_state(CONFIG, {"seen": ["by hand"]}, as_node="review")
    assert (await desk.request(old.id)).state == "superseded"
    assert (await desk.thread("t")).status is ThreadStatus.IDLE


async def test_new_input_elsewhere_supersedes_what_a_thread_waits_for(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    old = await the_open(desk)
    graph = await elsewhere(open_desk, chain(review))
    await graph.ainvoke({"seen": ["new"]}, CONFIG)
    assert (await desk.request(old.id)).state == "superseded"
    assert (await the_open(desk)).id != old.id
    assert (await answered(desk, "this")).values["seen"] == ["new", "this"]


async def test_an_answer_given_elsewhere_supersedes_the_request(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(twice)})
    await started(desk)
    graph = await elsewhere(open_desk, chain(twice))
    await graph.ainvoke(Command(resume="elsewhere"), CONFIG)
    first, second = await listed(desk)
    assert (first.title, first.state) == ("first?", "superseded")
    assert (second.title, second.state) == ("second?", "open")
    await graph.ainvoke(Command(resume="again"), CONFIG)
    assert [r.state.value for r in await listed(desk)] == ["superseded", "superseded"]
    assert (await desk.thread("t")).status is ThreadStatus.IDLE


async def test_a_decision_that_is_carried_out_elsewhere_is_delivered(open_desk: OpenDesk) -> None:
    """Where no worker serves the graph, whoever runs it gives it the answer."""
    program = await open_desk({}, work=False)
    graph = chain(review).compile(checkpointer=program.checkpointer("elsewhere"))
    [asked] = (await graph.ainvoke({}, CONFIG, version="v2")).interrupts
    request = await the_open(program)
    await program.decide(request.id, "respond", values={"value": "this"}, by="jane")
    result = await graph.ainvoke(Command(resume={asked.id: "this"}), CONFIG)
    assert result["seen"] == ["this"]
    assert (await program.request(request.id)).delivery == "delivered"


async def test_nobody_writes_to_a_thread_that_a_worker_holds(open_desk: OpenDesk) -> None:
    gate, reached = asyncio.Event(), asyncio.Event()

    async def slow(state: Log) -> Log:
        reached.set()
        await gate.wait()
        return {"seen": ["slow"]}

    desk = await open_desk({"g": chain(slow)})
    graph = await elsewhere(open_desk, chain(review))
    await desk.start("g", {}, by="starter", thread_id="t")
    await asyncio.wait_for(reached.wait(), TIMEOUT)
    with pytest.raises(ThreadBusy):
        await graph.ainvoke({"seen": ["stranger"]}, CONFIG)
    with pytest.raises(ThreadBusy):
        await graph.aupdate_state(CONFIG, {"seen": ["stranger"]})
    gate.set()
    assert (await settled(desk)).values["seen"] == ["slow"]
    assert await listed(desk) == []


async def test_what_cannot_be_a_request_elsewhere_is_refused_there_and_leaves_nothing(
    open_desk: OpenDesk,
) -> None:
    def large(state: Log) -> Log:
        return {"seen": [interrupt("x" * 1_100_000)]}

    desk = await open_desk({"g": chain(review)})
    graph = await elsewhere(open_desk, chain(large))
    with pytest.raises(TooLarge):
        await graph.ainvoke({}, CONFIG)
    with pytest.raises(InvalidInput):
        await graph.ainvoke({}, {"configurable": {"thread_id": "with/slash"}})
    assert await rows(desk, "SELECT * FROM requests") == []
    assert await rows(desk, "SELECT * FROM checkpoint_writes WHERE channel = '__interrupt__'") == []


async def test_a_pause_elsewhere_and_its_request_are_one_transaction(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    await rows(desk, "ALTER TABLE requests ADD CHECK (title <> 'which?')")
    graph = await elsewhere(open_desk, chain(review))
    with pytest.raises(Exception, match="violates check constraint"):
        await graph.ainvoke({}, CONFIG)
    assert await rows(desk, "SELECT * FROM checkpoint_writes WHERE channel = '__interrupt__'") == []


async def test_a_thread_can_be_started_elsewhere_and_go_on_here(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review, twice)})
    graph = await elsewhere(open_desk, chain(review, twice))
    await graph.ainvoke({"seen": ["begun"]}, CONFIG)
    await answered(desk, 1)
    await graph.ainvoke(Command(resume=2), CONFIG)
    thread = await answered(desk, 3)
    assert thread.values["seen"] == ["begun", 1, 2, 3]
    states = [(r.title, r.state.value, r.delivery.value) for r in await listed(desk)]
    assert states == [
        ("which?", "decided", "delivered"),
        ("first?", "superseded", "none"),
        ("second?", "decided", "delivered"),
    ]


async def test_a_decision_knows_what_was_asked_elsewhere_since_it_was_looked_at(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await open_desk({"g": fork(review, twice)})
    graph = await elsewhere(open_desk, fork(review, twice))
    await started(desk)
    asked = await by_title(desk)
    record = deciding._record

    async def record_later(*arguments: Any) -> Any:
        await graph.ainvoke(Command(resume={asked["first?"].interrupt_id: 1}), CONFIG)
        return await record(*arguments)

    monkeypatch.setattr(deciding, "_record", record_later)
    await desk.decide(asked["which?"].id, "respond", values={"value": 2}, by="jane")
    await settled(desk)
    now = await by_title(desk)
    assert {title: request.state.value for title, request in now.items()} == {
        "which?": "decided",
        "first?": "superseded",
        "second?": "open",
    }
    opened = [e["request_id"] for e in await desk.audit(thread_id="t") if "opened" in e["event"]]
    assert sorted(opened) == sorted(request.id for request in now.values())


async def test_what_is_written_elsewhere_before_the_first_run_begins_is_not_overlooked(
    open_desk: OpenDesk,
) -> None:
    """A worker takes a thread for new only if nobody has written to it."""
    desk = await open_desk({"g": chain(review)}, work=False)
    await desk.start("g", {"amount": 1}, by="starter", thread_id="t")
    graph = await elsewhere(open_desk, chain(review))
    await graph.aupdate_state(CONFIG, {"seen": ["elsewhere"]})
    await open_desk({"g": chain(review)})
    await settled(desk)
    assert (await answered(desk, "this")).values == {"amount": 1, "seen": ["elsewhere", "this"]}


async def test_a_thread_that_is_run_elsewhere_shows_its_state(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    graph = await elsewhere(open_desk, chain(review))
    await graph.ainvoke({"seen": ["begun"]}, CONFIG)
    thread = await desk.thread("t")
    assert (thread.status, thread.values) == (ThreadStatus.INTERRUPTED, {"seen": ["begun"]})
    await graph.aupdate_state(CONFIG, {"seen": ["by hand"]}, as_node="review")
    thread = await desk.thread("t")
    assert (thread.status, thread.values) == (ThreadStatus.IDLE, {"seen": ["begun", "by hand"]})


async def test_an_entrypoint_that_is_run_elsewhere_shows_what_it_returns(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({}, work=False)

    @entrypoint(checkpointer=desk.checkpointer("g"))
    async def asked(given: int) -> dict[str, Any]:
        return {"given": given, "answer": interrupt("which?")}

    await asked.ainvoke(5, CONFIG)
    await asked.ainvoke(Command(resume="this"), CONFIG)
    thread = await desk.thread("t")
    assert (thread.status, thread.values) == (ThreadStatus.IDLE, {"given": 5, "answer": "this"})


async def test_a_thread_comes_to_rest_that_was_decided_here_and_resumed_elsewhere(
    open_desk: OpenDesk,
) -> None:
    # No worker serves the graph: the program that runs it takes the answer to it by itself.
    desk = await open_desk({}, work=False)
    graph = chain(twice).compile(checkpointer=desk.checkpointer("g"))
    await graph.ainvoke({}, CONFIG)
    for answer in ("one", "two"):
        request = await the_open(desk)
        await desk.decide(request.id, "respond", values={"value": answer}, by="jane")
        assert (await desk.thread("t")).status is ThreadStatus.BUSY
        await graph.ainvoke(Command(resume=answer), CONFIG)
        assert (await desk.request(request.id)).delivery == "delivered"
    thread = await settled(desk)
    assert (thread.status, thread.values) == (ThreadStatus.IDLE, {"seen": ["one", "two"]})
    assert [row["status"] for row in await rows(desk, "SELECT status FROM runs")] == [
        "succeeded",
        "succeeded",
    ]


@pytest.mark.parametrize("how", ["delete", "prune"])
async def test_what_a_thread_asks_is_superseded_when_its_checkpoints_are_deleted(
    open_desk: OpenDesk, how: str
) -> None:
    desk = await open_desk({"g": chain(review)})
    graph = await elsewhere(open_desk, chain(review))
    await started(desk)
    request = await the_open(desk)
    if how == "delete":
        await graph.checkpointer.adelete_thread("t")
    else:
        await graph.checkpointer.aprune(["t"], strategy="delete")
    assert (await desk.request(request.id)).state == "superseded"
    assert (await desk.thread("t")).status is ThreadStatus.IDLE
    assert not await rows(desk, "SELECT 1 FROM checkpoints")
    with pytest.raises(RequestClosed):
        await desk.decide(request.id, "respond", values={"value": 1}, by="jane")
    assert (await started(desk, input={"seen": ["anew"]})).status is ThreadStatus.INTERRUPTED
    assert (await answered(desk, "this")).values["seen"] == ["anew", "this"]


async def test_checkpoints_of_a_thread_that_a_worker_has_are_not_deleted(
    open_desk: OpenDesk,
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(state: Log) -> Log:
        begun.set()
        await go.wait()
        return {"seen": ["done"]}

    desk = await open_desk({"g": chain(slow)})
    await desk.start("g", {}, by="jane", thread_id="t")
    await asyncio.wait_for(begun.wait(), TIMEOUT)
    with pytest.raises(ThreadBusy):
        await desk.checkpointer("g").adelete_thread("t")
    go.set()
    assert (await settled(desk)).values["seen"] == ["done"]


@pytest.mark.parametrize(
    ("question", "named"), [({"by": object()}, "object"), ({"much": 10**30}, "integer of 100 bits")]
)
async def test_a_question_that_cannot_be_stored_is_named_in_the_error(
    open_desk: OpenDesk, question: Any, named: str
) -> None:
    def asks(state: Log) -> Log:
        return {"seen": [interrupt(question)]}

    desk = await open_desk({"g": chain(asks)})
    thread = await started(desk)
    assert thread.status is ThreadStatus.ERROR
    assert "cannot be stored" in (thread.error or "")
    assert named in (thread.error or "")
    graph = await elsewhere(open_desk, chain(asks))
    with pytest.raises(InvalidQuestion, match=named):
        await graph.ainvoke({}, {"configurable": {"thread_id": "other"}})
    assert (await desk.requests()).total == 0
