"""The main job: a graph pauses, a person decides, the graph resumes exactly once."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph

from signoff import ask
from signoff.domain.errors import InvalidAnswer, RequestClosed, StaleDigest
from signoff.domain.thread import ThreadStatus
from tests.conftest import OpenDesk
from tests.helpers import Log, chain, eventually, rows, started


class State(TypedDict, total=False):
    amount: int
    decision: dict[str, Any]
    finished: int


def review(state: State) -> State:
    decision = ask("Pay?", show={"amount": state["amount"]}, actions=["approve", "reject"])
    return {"decision": {"action": decision.action, "by": decision.by, "note": decision.note}}


def finish(state: State) -> State:
    return {"finished": state.get("finished", 0) + 1}


def payment() -> StateGraph:
    builder = StateGraph(State)
    builder.add_node("review", review)
    builder.add_node("finish", finish)
    builder.add_edge(START, "review")
    builder.add_edge("review", "finish")
    return builder


async def test_a_pause_becomes_a_request_and_its_decision_resumes_the_thread(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"payment": payment()})
    run = await desk.start("payment", {"amount": 3}, by="sales", thread_id="t1")
    thread = await desk.wait("t1", timeout=30)
    assert thread.status is ThreadStatus.INTERRUPTED
    [request] = (await desk.requests(thread_id="t1")).items
    assert (request.title, request.node, request.run_id) == ("Pay?", "review", run.id)

    decided = await desk.decide(request.id, "approve", by="jane", note="fine")
    assert decided.state == "decided"
    thread = await desk.wait("t1", timeout=30)
    assert thread.status is ThreadStatus.IDLE
    assert thread.values["decision"] == {"action": "approve", "by": "jane", "note": "fine"}
    assert thread.values["finished"] == 1
    assert (await desk.request(request.id)).delivery == "delivered"


async def test_of_64_decisions_at_once_one_wins_and_the_thread_goes_on_once(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"payment": payment()})
    await desk.start("payment", {"amount": 3}, by="sales", thread_id="t1")
    await desk.wait("t1", timeout=30)
    [request] = (await desk.requests(thread_id="t1")).items

    async def vote(number: int) -> str:
        try:
            decided = await desk.decide(
                request.id, "approve" if number % 2 else "reject", by=f"reviewer-{number}"
            )
        except RequestClosed:
            return "refused"
        return decided.outcome.by

    outcomes = await asyncio.gather(*(vote(number) for number in range(64)))
    assert outcomes.count("refused") == 63
    thread = await desk.wait("t1", timeout=30)
    assert thread.values["finished"] == 1
    assert thread.values["decision"]["by"] in outcomes


async def test_a_repeat_of_ones_own_decision_returns_the_first_answer(open_desk: OpenDesk) -> None:
    desk = await open_desk({"payment": payment()})
    await desk.start("payment", {"amount": 3}, by="sales", thread_id="t1")
    await desk.wait("t1", timeout=30)
    [request] = (await desk.requests(thread_id="t1")).items
    first = await desk.decide(request.id, "approve", by="jane")
    again = await asyncio.gather(*(desk.decide(request.id, "approve", by="jane") for _ in range(8)))
    assert all(each.outcome == first.outcome for each in again)
    with pytest.raises(RequestClosed):
        await desk.decide(request.id, "reject", by="jane")
    assert (await desk.wait("t1", timeout=30)).values["finished"] == 1


async def test_a_decision_on_something_else_than_what_is_shown_is_refused(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"payment": payment()})
    await desk.start("payment", {"amount": 3}, by="sales", thread_id="t1")
    await desk.wait("t1", timeout=30)
    [request] = (await desk.requests(thread_id="t1")).items
    with pytest.raises(StaleDigest):
        await desk.decide(request.id, "approve", by="jane", digest="sha256:0")
    with pytest.raises(InvalidAnswer) as refused:
        await desk.decide(request.id, "explode", by="jane")
    assert refused.value.errors[0].pointer == "/action"
    assert (await desk.request(request.id)).state == "open"
    await desk.decide(request.id, "approve", by="jane", digest=request.digest)


async def test_what_is_shown_keeps_the_order_in_which_the_author_wrote_it(
    open_desk: OpenDesk,
) -> None:
    class Ordered(TypedDict, total=False):
        answer: str

    form = {
        "type": "object",
        "properties": {"zone": {"type": "string"}, "area": {"type": "string"}},
    }

    def review_in_order(_state: Ordered) -> Ordered:
        shown = {"supplier": "Acme", "iban": "DE1", "amount": 3}
        return {"answer": ask("Pay?", show=shown, actions=["pay"], reply=form).action}

    builder = StateGraph(Ordered)
    builder.add_node("review", review_in_order)
    builder.add_edge(START, "review")
    desk = await open_desk({"ordered": builder})
    await desk.start("ordered", {"answer": ""}, by="sales", thread_id="t1")
    await desk.wait("t1", timeout=30)
    [request] = (await desk.requests(thread_id="t1")).items
    assert list(request.payload["show"]) == ["supplier", "iban", "amount"]
    assert list(request.actions[0]["schema"]["properties"]) == ["zone", "area"]


async def test_a_desk_that_leaves_work_to_others_works_when_it_is_told_to(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"payment": payment()}, work=False)
    await desk.start("payment", {"amount": 3}, by="sales", thread_id="t1")
    assert (await desk.thread("t1")).status is ThreadStatus.BUSY
    worker = asyncio.create_task(desk.work())
    assert (await desk.wait("t1", timeout=30)).status is ThreadStatus.INTERRUPTED
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker


async def test_what_a_node_has_done_is_kept_while_the_next_one_runs(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signoff.db.group.LINGER", 3600)

    async def first(state: Log) -> Log:
        return {"seen": ["first"]}

    async def second(state: Log) -> Log:
        await eventually(lambda: rows(desk, "SELECT 1 FROM checkpoint_writes WHERE channel='seen'"))
        return {"seen": ["second"]}

    desk = await open_desk({"g": chain(first, second)})
    assert (await started(desk)).values["seen"] == ["first", "second"]
