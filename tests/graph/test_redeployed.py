"""Graphs that are not what they were when a question was asked: what was approved is what runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from signoff import ask
from signoff.domain.thread import ThreadStatus
from tests.conftest import OpenDesk
from tests.helpers import (
    Log,
    answered,
    by_title,
    chain,
    events,
    fork,
    listed,
    redeployed,
    settled,
    started,
    the_open,
)


def review(state: Log) -> Log:
    return {"seen": [interrupt("which?")]}


def other(state: Log) -> Log:
    return {"seen": ["other"]}


def other_review(state: Log) -> Log:
    return {"seen": [interrupt("And this?")]}


def renamed() -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(Log)
    return builder.add_node("renamed", review).add_edge(START, "renamed")


@pytest.mark.parametrize("reask", [False, True], ids=["retry", "reask"])
async def test_an_answer_for_a_node_that_is_gone_waits_until_there_is_one_again(
    open_desk: OpenDesk, reask: bool
) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    request = await the_open(desk)
    desk = await redeployed(desk, open_desk, {"g": renamed()})
    assert (await the_open(desk)) == request
    thread = await answered(desk, "this")
    assert thread.status is ThreadStatus.ERROR
    [request] = await listed(desk)
    assert (request.state, request.delivery) == ("decided", "failed")
    assert "no node 'review'" in str(request.delivery_error)
    assert request.delivery_error == thread.error
    await desk.retry(request.id, by="john", reask=reask)
    assert (await settled(desk)).status is ThreadStatus.ERROR
    [request] = await listed(desk)
    assert (request.delivery, "no node" in str(request.delivery_error)) == ("failed", True)

    desk = await redeployed(desk, open_desk, {"g": chain(review, other)})
    await desk.retry(request.id, by="john")
    thread = await settled(desk)
    if reask:  # it is never used any more, but what is asked instead is
        thread = await answered(desk, "that")
    assert thread.values["seen"] == ["that" if reask else "this", "other"]
    assert (thread.status, thread.error) == (ThreadStatus.IDLE, None)


def around(inner: StateGraph[Any]) -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(Log)
    return builder.add_node("outer", inner.compile()).add_edge(START, "outer")


async def test_a_gate_that_is_gone_from_a_subgraph_is_not_walked_through(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": around(chain(review))})
    await started(desk)
    desk = await redeployed(desk, open_desk, {"g": around(renamed())})
    assert (await answered(desk, "this")).status is ThreadStatus.ERROR
    [request] = await listed(desk)
    assert (request.delivery, "'review'" in str(request.delivery_error)) == ("failed", True)
    desk = await redeployed(desk, open_desk, {"g": around(chain(review))})
    await desk.retry(request.id, by="john")
    assert (await settled(desk)).values["seen"] == ["this"]


def asks_bare(content: str) -> Any:
    return interrupt({"question": content, "about": content})


def asks_enveloped(content: str) -> Any:
    decision = ask(content, show={"about": content}, actions=["approve", "reject"])
    return decision.action


ASKING = pytest.mark.parametrize("asking", [asks_bare, asks_enveloped], ids=["bare", "ask"])
Asking = Callable[[str], Any]


def pays(asking: Asking, *contents: str) -> StateGraph[Any]:
    """A graph whose one node asks about each of these, in order."""

    def pay(state: Log) -> Log:
        return {"seen": [(content, asking(content)) for content in contents]}

    return chain(pay)


async def say(desk: Any, title: str, answer: str) -> Any:
    """Decide the open request with this title."""
    request = (await by_title(desk, "open"))[title]
    if request.kind == "ask":
        await desk.decide(request.id, answer, by="jane")
    else:
        await desk.decide(request.id, "respond", values={"value": answer}, by="jane")
    return await settled(desk)


@ASKING
async def test_an_approval_is_not_used_for_something_else_than_was_approved(
    open_desk: OpenDesk, asking: Asking
) -> None:
    desk = await open_desk({"g": pays(asking, "pay 3")})
    await started(desk)
    desk = await redeployed(desk, open_desk, {"g": pays(asking, "pay 3000")})
    thread = await say(desk, "pay 3", "approve")
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.INTERRUPTED, [])
    old, new = await listed(desk)
    assert (old.title, old.state, old.delivery) == ("pay 3", "decided", "none")
    assert (new.title, new.state, new.revises) == ("pay 3000", "open", old.id)
    assert "changed after it was decided" in str(old.remark)
    assert "changed after it was decided" in str(new.remark)
    assert "request.outcome_not_used" in await events(desk)
    thread = await say(desk, "pay 3000", "reject")
    assert thread.values["seen"] == [["pay 3000", "reject"]]
    assert [r.delivery.value for r in await listed(desk)] == ["none", "delivered"]


@ASKING
async def test_an_approval_survives_a_redeployment_that_asks_the_same(
    open_desk: OpenDesk, asking: Asking
) -> None:
    desk = await open_desk({"g": pays(asking, "pay 3")})
    await started(desk)
    desk = await redeployed(desk, open_desk, {"g": pays(asking, "pay 3")})
    thread = await say(desk, "pay 3", "approve")
    assert thread.values["seen"] == [["pay 3", "approve"]]


@ASKING
async def test_going_back_to_what_was_asked_first_does_not_revive_its_approval(
    open_desk: OpenDesk, asking: Asking
) -> None:
    desk = await open_desk({"g": pays(asking, "pay 3")})
    await started(desk)
    desk = await redeployed(desk, open_desk, {"g": pays(asking, "pay 3000")})
    await say(desk, "pay 3", "approve")
    desk = await redeployed(desk, open_desk, {"g": pays(asking, "pay 3")})
    thread = await say(desk, "pay 3000", "approve")
    assert thread.status is ThreadStatus.INTERRUPTED
    assert (await the_open(desk)).title == "pay 3"
    thread = await say(desk, "pay 3", "reject")
    assert thread.values["seen"] == [["pay 3", "reject"]]


@ASKING
async def test_of_two_questions_only_the_changed_one_is_asked_anew(
    open_desk: OpenDesk, asking: Asking
) -> None:
    desk = await open_desk({"g": pays(asking, "first", "second")})
    await started(desk)
    await say(desk, "first", "approve")
    desk = await redeployed(desk, open_desk, {"g": pays(asking, "first", "second, changed")})
    assert (await say(desk, "second", "approve")).status is ThreadStatus.INTERRUPTED
    assert (await the_open(desk)).title == "second, changed"
    thread = await say(desk, "second, changed", "reject")
    assert thread.values["seen"] == [["first", "approve"], ["second, changed", "reject"]]


@ASKING
async def test_a_first_question_that_changed_is_asked_anew_though_the_second_was_answered(
    open_desk: OpenDesk, asking: Asking
) -> None:
    desk = await open_desk({"g": pays(asking, "first", "second")})
    await started(desk)
    await say(desk, "first", "approve")
    desk = await redeployed(desk, open_desk, {"g": pays(asking, "first, changed", "second")})
    await say(desk, "second", "approve")
    assert (await the_open(desk)).title == "first, changed"
    await say(desk, "first, changed", "reject")
    # What comes behind it is asked anew as well: it was answered under another first answer.
    assert (await the_open(desk)).title == "second"
    open_ = await the_open(desk)
    assert open_.state == "open"
    thread = await say(desk, "second", "approve")
    assert thread.values["seen"] == [["first, changed", "reject"], ["second", "approve"]]


@ASKING
async def test_a_question_taken_out_before_an_answered_one_leaves_no_answer_behind(
    open_desk: OpenDesk, asking: Asking
) -> None:
    desk = await open_desk({"g": pays(asking, "first", "second")})
    await started(desk)
    await say(desk, "first", "approve")
    desk = await redeployed(desk, open_desk, {"g": pays(asking, "second")})
    thread = await say(desk, "second", "reject")
    assert thread.values["seen"] == [["second", "reject"]]
    assert thread.status is ThreadStatus.IDLE


@ASKING
async def test_a_loop_is_asked_each_round_and_never_answered_by_the_round_before(
    open_desk: OpenDesk, asking: Asking
) -> None:
    def loops(state: Log) -> Log:
        rounds: list[Any] = []
        while not rounds or rounds[-1] == "approve":
            rounds.append(asking(f"round {len(rounds)}"))
        return {"seen": rounds}

    desk = await open_desk({"g": chain(loops)})
    await started(desk)
    for number in range(4):
        assert (await the_open(desk)).title == f"round {number}"
        thread = await say(desk, f"round {number}", "approve" if number < 3 else "reject")
    assert thread.values["seen"] == ["approve"] * 3 + ["reject"]
    assert {r.delivery.value for r in await listed(desk)} == {"delivered"}


async def test_threads_within_a_node_get_each_the_answer_to_its_own_question(
    open_desk: OpenDesk,
) -> None:
    def node(state: Log) -> Log:
        def one(name: str) -> Any:
            return name, interrupt(name)

        # One after the other, each in a thread of its own: LangGraph counts them together.
        given = []
        for name in ("a", "b", "c"):
            with ThreadPoolExecutor(1) as pool:
                given.append(pool.submit(copy_context().run, one, name).result())
        return {"seen": given}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    for name in ("a", "b", "c"):
        assert (await the_open(desk)).title == name
        thread = await answered(desk, name.upper())
    assert thread.values["seen"] == [["a", "A"], ["b", "B"], ["c", "C"]]


async def test_a_question_that_differs_at_every_execution_needs_a_person_for_every_round(
    open_desk: OpenDesk,
) -> None:
    ran = itertools.count()

    def node(state: Log) -> Log:
        return {"seen": [interrupt(f"at {next(ran)}")]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    for number in range(3):
        assert (await the_open(desk)).title == f"at {number}"
        thread = await answered(desk, "yes")
        assert thread.status is ThreadStatus.INTERRUPTED
    assert next(ran) == 4
    assert [r.delivery.value for r in await listed(desk)] == ["none", "none", "none", "none"]
    assert [r.state.value for r in await listed(desk)] == ["decided"] * 3 + ["open"]


async def test_a_question_that_changes_while_it_is_open_is_shown_as_it_is_now(
    open_desk: OpenDesk,
) -> None:
    price = {"is": 3}

    def buy(state: Log) -> Log:
        return {"seen": [interrupt(f"pay {price['is']}?")]}

    def neighbour(state: Log) -> Log:
        return {"seen": [interrupt("neighbour?")]}

    desk = await open_desk({"g": fork(buy, neighbour)})
    await started(desk)
    before = await by_title(desk)
    price["is"] = 3000
    await desk.decide(before["neighbour?"].id, "respond", values={"value": 1}, by="jane")
    await settled(desk)
    revised = await the_open(desk)
    assert (revised.id, revised.title) == (before["pay 3?"].id, "pay 3000?")
    assert revised.digest != before["pay 3?"].digest
    assert "changed while it was open" in str(revised.remark)
    assert "request.revised" in await events(desk)
    assert sorted((await answered(desk, 2)).values["seen"]) == [1, 2]


async def test_a_decision_made_while_the_question_is_changing_is_for_one_of_the_two(
    open_desk: OpenDesk,
) -> None:
    """Decided while the node runs again and asks something else: the vote is kept, not used."""
    price = {"is": 3}
    decided: list[Any] = []

    async def buy(state: Log) -> Log:
        if price["is"] > 3 and not decided:
            [request] = await listed(desk, "open")
            decided.append(
                await desk.decide(request.id, "respond", values={"value": "fine"}, by="jane")
            )
        return {"seen": [interrupt(f"pay {price['is']}?")]}

    def neighbour(state: Log) -> Log:
        return {"seen": [interrupt("neighbour?")]}

    desk = await open_desk({"g": fork(buy, neighbour)})
    await started(desk)
    price["is"] = 3000
    before = await by_title(desk)
    await desk.decide(before["neighbour?"].id, "respond", values={"value": 1}, by="jane")
    thread = await settled(desk)
    assert thread.status is ThreadStatus.INTERRUPTED
    old, new = [r for r in await listed(desk) if r.title != "neighbour?"]
    assert (old.title, old.state, old.delivery) == ("pay 3?", "decided", "none")
    assert [vote.by for vote in old.votes] == ["jane"]
    assert (new.title, new.state, new.revises) == ("pay 3000?", "open", old.id)


async def test_what_is_asked_at_a_node_that_is_gone_is_not_left_behind(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": fork(review, other_review)})
    await started(desk)
    requests = await by_title(desk, "open")
    desk = await redeployed(desk, open_desk, {"g": chain(review)})
    # Neither by going on, ...
    await desk.start("g", None, by="starter", thread_id="t")
    assert (await settled(desk)).status is ThreadStatus.INTERRUPTED
    assert (await by_title(desk, "open")).keys() == requests.keys()
    # ... nor by the answer to what is asked elsewhere.
    first = requests["which?"]
    await desk.decide(first.id, "respond", values={"value": "this"}, by="jane")
    await settled(desk)
    failed = await desk.request(first.id)
    assert (failed.delivery, (await by_title(desk, "open")).keys()) == ("failed", {"And this?"})
    assert "no node 'other_review'" in str(failed.delivery_error)

    desk = await redeployed(desk, open_desk, {"g": fork(review, other_review)})
    await desk.retry(first.id, by="john")
    await settled(desk)
    thread = await answered(desk, "that")
    assert sorted(thread.values["seen"]) == ["that", "this"]
    assert (thread.status, await listed(desk, "open")) == (ThreadStatus.IDLE, [])
