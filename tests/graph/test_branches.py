"""Pauses in parallel branches, in fan-outs, in subgraphs, and one after the other in one node."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt

from signoff.domain.decision import Ballot
from signoff.domain.errors import NothingPending, RequestClosed, UnknownPause
from signoff.domain.run import RunStatus
from signoff.domain.thread import ThreadStatus
from signoff.service import read
from signoff.service.decide import decide, resume
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
    opened_requests,
    rows,
    settled,
    started,
    the_open,
)


def left(state: Log) -> Log:
    return {"seen": [("left", interrupt("left?"))]}


def right(state: Log) -> Log:
    return {"seen": [("right", interrupt("right?"))]}


async def test_each_branch_asks_as_soon_as_it_pauses_while_another_still_runs(
    open_desk: OpenDesk,
) -> None:
    gate = asyncio.Event()

    async def slow(state: Log) -> Log:
        await gate.wait()
        return {"seen": [("slow", interrupt("slow?"))]}

    desk = await open_desk({"g": fork(left, right, slow)})
    async with opened_requests(desk) as opened:
        run = await desk.start("g", {}, by="starter", thread_id="t")
        assert {await opened.next(), await opened.next()} == {"left?", "right?"}
        assert (await desk.thread("t")).status is ThreadStatus.BUSY
        # An answer given now waits for the run under way, and does not get lost.
        early = (await by_title(desk))["left?"]
        decided = await desk.decide(early.id, "respond", values={"value": "L"}, by="jane")
        assert (decided.state, decided.delivery) == ("decided", "pending")
        gate.set()
        assert await opened.next() == "slow?"
    await settled(desk)
    now = await by_title(desk)
    assert {title: request.state.value for title, request in now.items()} == {
        "left?": "decided",
        "right?": "open",
        "slow?": "open",
    }
    assert now["left?"].delivery == "delivered"
    assert {request.run_id for request in now.values()} == {run.id}


async def test_a_partial_answer_is_delivered_at_once_and_its_siblings_stay_as_they_are(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": fork(left, right)})
    await started(desk)
    before = await by_title(desk)
    await desk.decide(before["left?"].id, "respond", values={"value": "L"}, by="jane")
    thread = await settled(desk)
    assert thread.status is ThreadStatus.INTERRUPTED
    after = await by_title(desk)
    assert after["right?"] == before["right?"]
    assert thread == await desk.thread("t")
    assert (after["left?"].delivery, after["left?"].delivered_at is None) == ("delivered", False)
    thread = await answered(desk, "R")
    assert thread.status is ThreadStatus.IDLE
    assert sorted(thread.values["seen"]) == [["left", "L"], ["right", "R"]]
    assert len(await listed(desk)) == 2


async def test_all_that_is_answered_while_a_run_is_under_way_goes_in_the_one_resume_after_it(
    open_desk: OpenDesk,
) -> None:
    gate = asyncio.Event()

    async def slow(state: Log) -> Log:
        await gate.wait()
        return {}

    desk = await open_desk({"g": fork(left, right, slow)})
    async with opened_requests(desk) as opened:
        await desk.start("g", {}, by="starter", thread_id="t")
        for _ in range(2):
            await opened.next()
        for request in await listed(desk, "open"):
            await desk.decide(request.id, "respond", values={"value": "yes"}, by="jane")
        gate.set()
    thread = await settled(desk)
    assert sorted(thread.values["seen"]) == [["left", "yes"], ["right", "yes"]]
    kinds = await rows(desk, "SELECT kind, status FROM runs ORDER BY created_at")
    assert [row["kind"] for row in kinds] == ["start", "resume"]
    assert (await events(desk)).count("request.delivered") == 2


async def test_a_fan_out_asks_once_for_each_of_its_parts(open_desk: OpenDesk) -> None:
    def scatter(state: Log) -> list[Send]:
        return [Send("part", {"amount": number}) for number in range(3)]

    def part(state: Log) -> Log:
        return {"seen": [(state["amount"], interrupt(f"part {state['amount']}?"))]}

    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("part", part)
    builder.add_conditional_edges(START, scatter, ["part"])
    desk = await open_desk({"g": builder})
    await started(desk)
    asked = await by_title(desk)
    assert list(asked) == ["part 0?", "part 1?", "part 2?"]
    assert {request.node for request in asked.values()} == {"part"}
    await desk.decide(asked["part 1?"].id, "respond", values={"value": "b"}, by="jane")
    await settled(desk)
    still = await by_title(desk, "open")
    assert {title: request.id for title, request in still.items()} == {
        "part 0?": asked["part 0?"].id,
        "part 2?": asked["part 2?"].id,
    }
    for title, value in (("part 0?", "a"), ("part 2?", "c")):
        await desk.decide(asked[title].id, "respond", values={"value": value}, by="jane")
    thread = await settled(desk)
    assert sorted(thread.values["seen"]) == [[0, "a"], [1, "b"], [2, "c"]]
    assert {request.delivery.value for request in await listed(desk)} == {"delivered"}


def subgraph(name: str, *inner: Any) -> Any:
    builder: StateGraph[Any] = StateGraph(Log)
    for each in inner:
        builder.add_node(getattr(each, "name", None) or each.__name__, each)
        builder.add_edge(START, getattr(each, "name", None) or each.__name__)
    return builder.compile(name=name)


async def test_hundreds_of_branches_are_asked_and_answered_together(open_desk: OpenDesk) -> None:
    def scatter(state: Log) -> list[Send]:
        return [Send("part", {"amount": number}) for number in range(300)]

    def part(state: Log) -> Log:
        return {"seen": [(state["amount"], interrupt(f"part {state['amount']}?"))]}

    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("part", part)
    builder.add_conditional_edges(START, scatter, ["part"])
    desk = await open_desk({"g": builder})
    await started(desk)
    asked = await rows(desk, "SELECT title, interrupt_id FROM requests")
    await resume(desk.office, "t", {row["interrupt_id"]: row["title"] for row in asked}, by="jane")
    thread = await settled(desk)
    expected = [[number, f"part {number}?"] for number in range(300)]
    assert sorted(thread.values["seen"]) == expected


async def test_a_subgraph_of_a_subgraph_asks_once_and_is_answered_there(
    open_desk: OpenDesk,
) -> None:
    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("outer", subgraph("middle", subgraph("inner", left, right)))
    builder.add_edge(START, "outer")
    desk = await open_desk({"g": builder})
    await started(desk)
    before = await by_title(desk)
    assert list(before) in (["left?", "right?"], ["right?", "left?"])
    assert before["left?"].node == "left"
    assert before["left?"].pause.checkpoint_ns.count("|") == 1
    await desk.decide(before["left?"].id, "respond", values={"value": "L"}, by="jane")
    await settled(desk)
    after = await by_title(desk)
    assert after["right?"] == before["right?"]
    thread = await answered(desk, "R")
    assert thread.status is ThreadStatus.IDLE
    assert sorted(thread.values["seen"]) == [["left", "L"], ["right", "R"]]
    assert [r.delivery.value for r in await listed(desk)] == ["delivered", "delivered"]


async def test_a_graph_called_in_a_node_asks_for_itself(open_desk: OpenDesk) -> None:
    agent = subgraph("agent", left)

    async def calls(state: Log) -> Log:
        return {"seen": (await agent.ainvoke({}))["seen"]}

    desk = await open_desk({"g": chain(calls)})
    await started(desk)
    assert (await the_open(desk)).node == "left"
    assert (await answered(desk, "L")).values["seen"] == [["left", "L"]]
    assert (await events(desk)).count("request.opened") == 1


async def test_a_subgraph_with_a_memory_of_its_own_asks_at_every_call(open_desk: OpenDesk) -> None:
    def scatter(state: Log) -> list[Send]:
        return [Send("part", {"amount": number}) for number in range(2)]

    def part(state: Log) -> Log:
        return {"seen": [interrupt(f"part {state['amount']}?")]}

    inner: StateGraph[Any] = StateGraph(Log)
    inner.add_node("part", part)
    inner.add_conditional_edges(START, scatter, ["part"])
    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("agent", inner.compile(checkpointer=True))
    builder.add_edge(START, "agent")
    desk = await open_desk({"g": builder})
    for _ in range(2):
        await started(desk)
        asked = await by_title(desk, "open")
        assert {title: request.node for title, request in asked.items()} == {
            "part 0?": "part",
            "part 1?": "part",
        }
        for request in asked.values():
            await desk.decide(request.id, "respond", values={"value": "x"}, by="jane")
        assert (await settled(desk)).status is ThreadStatus.IDLE
    assert [r.delivery.value for r in await listed(desk)] == ["delivered"] * 4


async def test_an_answer_that_a_graph_without_memory_cannot_take_shows_as_failed(
    open_desk: OpenDesk,
) -> None:
    """LangGraph gives the questions of a graph with ``checkpointer=False`` new ids every time."""
    stateless: Any = StateGraph(Log).add_node("left", left).add_edge(START, "left")
    agent = stateless.compile(checkpointer=False)

    async def calls(state: Log) -> Log:
        return {"seen": (await agent.ainvoke({}))["seen"]}

    desk = await open_desk({"g": chain(calls)})
    await started(desk)
    thread = await answered(desk, "L")
    assert thread.status is ThreadStatus.INTERRUPTED
    [first, again] = await listed(desk)
    assert (first.delivery, again.state, again.title) == ("failed", "open", "left?")
    assert "without asking this question again" in str(first.delivery_error)


def twice(state: Log) -> Log:
    return {"seen": [interrupt("first?"), interrupt("second?")]}


async def test_the_questions_of_one_node_are_requests_of_their_own(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(twice)})
    await started(desk)
    first = await the_open(desk)
    await answered(desk, "a")
    second = await the_open(desk)
    assert (second.title, second.pause.position) == ("second?", 1)
    assert second.interrupt_id != first.interrupt_id
    assert (await answered(desk, "b")).values["seen"] == ["a", "b"]
    assert [r.delivery.value for r in await listed(desk)] == ["delivered", "delivered"]


async def test_an_answer_sent_again_does_not_answer_the_next_question_of_the_node(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(twice)})
    await started(desk)
    first = await the_open(desk)
    ballot = Ballot(action="respond", values={"value": "a"})
    await decide(desk.office, first.id, ballot, by="jane")
    await settled(desk)
    second = await the_open(desk)
    assert (await decide(desk.office, first.id, ballot, by="jane")).outcome.values == {"value": "a"}
    with pytest.raises(RequestClosed):
        await decide(desk.office, first.id, ballot, by="john")
    with pytest.raises(UnknownPause):
        await resume(desk.office, "t", {first.interrupt_id: "a"}, by="jane")
    with pytest.raises(UnknownPause):
        await resume(
            desk.office, "t", {first.interrupt_id: "a", second.interrupt_id: "b"}, by="jane"
        )
    with pytest.raises(UnknownPause):
        await resume(desk.office, "t", {}, by="jane")
    assert (await the_open(desk)) == second
    run = await resume(desk.office, "t", {second.interrupt_id: "b"}, by="jane")
    assert (await settled(desk)).values["seen"] == ["a", "b"]
    assert (await read.get_run(desk.office, "t", run.id)).status is RunStatus.SUCCEEDED
    for late in ("b", {second.interrupt_id: "b"}):
        with pytest.raises(NothingPending):
            await resume(desk.office, "t", late, by="jane")


async def test_a_bare_answer_goes_to_the_one_question_and_to_none_of_several(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": fork(left, right)})
    await started(desk)
    with pytest.raises(NothingPending, match="2 answers"):
        await resume(desk.office, "t", "x", by="jane")
    asked = await by_title(desk)
    answers = {asked["left?"].interrupt_id: "L", asked["right?"].interrupt_id: "R"}
    await resume(desk.office, "t", answers, by="jane")
    thread = await settled(desk)
    assert sorted(thread.values["seen"]) == [["left", "L"], ["right", "R"]]


async def test_a_bare_answer_that_looks_like_none_of_the_engines_is_taken_as_it_is(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(left)})
    await started(desk)
    await resume(desk.office, "t", {"0" * 31: "short of an id"}, by="jane")
    assert (await settled(desk)).values["seen"] == [["left", {"0" * 31: "short of an id"}]]


async def test_tasks_of_the_functional_api_ask_each_for_itself(open_desk: OpenDesk) -> None:
    @task
    async def asks(name: str) -> str:
        return str(interrupt(f"{name}?"))

    @entrypoint()
    async def flow(names: list[str]) -> dict[str, Any]:
        given = await asyncio.gather(*(asks(name) for name in names))
        return {"given": given, "last": interrupt("last?")}

    desk = await open_desk({"g": flow})
    await started(desk, input=["a", "b"])
    asked = await by_title(desk)
    assert sorted(asked) == ["a?", "b?"]
    assert {request.node for request in asked.values()} == {"flow"}
    for title, request in asked.items():
        await desk.decide(request.id, "respond", values={"value": title.upper()}, by="jane")
    await settled(desk)
    assert (await the_open(desk)).title == "last?"
    thread = await answered(desk, "end")
    assert thread.values == {"given": ["A?", "B?"], "last": "end"}
    assert {request.delivery.value for request in await listed(desk)} == {"delivered"}


async def test_a_wait_for_a_thread_lasts_until_all_its_branches_have_paused(
    open_desk: OpenDesk,
) -> None:
    gate = asyncio.Event()

    async def slow(state: Log) -> Log:
        await gate.wait()
        return {}

    desk = await open_desk({"g": fork(left, slow)})
    async with opened_requests(desk) as opened:
        await desk.start("g", {}, by="starter", thread_id="t")
        await opened.next()
        waiting = asyncio.create_task(desk.wait("t"))
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        gate.set()
        thread = await asyncio.wait_for(waiting, TIMEOUT)
    assert thread.status is ThreadStatus.INTERRUPTED
