"""Answers that the graph could not go on with: seen, run on with, or asked for anew."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.types import interrupt

from signoff import ask
from signoff.domain.errors import NotRetryable, RequestNotFound
from signoff.domain.run import RunStatus
from signoff.domain.thread import ThreadStatus
from signoff.ids import new_id
from signoff.service import read
from tests.conftest import OpenDesk
from tests.helpers import (
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


class Broken(Exception):
    """What a node raises that something is wrong with."""


class Failing:
    """Something that raises as often as it was told to."""

    def __init__(self, times: int = 1, message: str = "out of order") -> None:
        self.left = times
        self.message = message
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise Broken(self.message)


async def last_run(desk: Any) -> Any:
    [row] = await rows(desk, "SELECT id FROM runs ORDER BY created_at DESC LIMIT 1")
    return await read.get_run(desk.office, "t", str(row["id"]))


async def test_a_node_that_raises_after_its_answer_is_seen_and_a_retry_runs_on_with_it(
    open_desk: OpenDesk,
) -> None:
    failing = Failing()

    def node(state: Log) -> Log:
        answer = interrupt("which?")
        failing()
        return {"seen": [answer]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    thread = await answered(desk, "this")
    assert (thread.status, thread.error) == (ThreadStatus.ERROR, "Broken: out of order")
    run = await last_run(desk)
    assert (run.status, run.error) == (RunStatus.FAILED, "Broken: out of order")
    [request] = await listed(desk)
    assert (request.state, request.delivery) == ("decided", "failed")
    assert request.delivery_error == "Broken: out of order"

    retried = await desk.retry(request.id, by="john")
    assert (retried.delivery, retried.delivery_error) == ("pending", None)
    thread = await settled(desk)
    assert (thread.status, thread.error, thread.values["seen"]) == (
        ThreadStatus.IDLE,
        None,
        ["this"],
    )
    [request] = await listed(desk)
    assert (request.delivery, request.delivered_at is None) == ("delivered", False)
    assert failing.calls == 2
    assert (await events(desk))[2:] == [
        "request.decided",
        "request.delivery_failed",
        "run.failed",
        "request.retried",
        "request.delivered",
    ]


async def test_a_retry_that_fails_again_can_be_retried_again(open_desk: OpenDesk) -> None:
    failing = Failing(times=3)

    def node(state: Log) -> Log:
        answer = interrupt("which?")
        failing()
        return {"seen": [answer]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    await answered(desk, "this")
    [request] = await listed(desk)
    for _ in range(2):
        await desk.retry(request.id, by="john")
        assert (await settled(desk)).status is ThreadStatus.ERROR
        [request] = await listed(desk)
        assert request.delivery == "failed"
    await desk.retry(request.id, by="john")
    assert (await settled(desk)).values["seen"] == ["this"]


async def test_a_node_that_raises_before_it_takes_its_answer_gets_it_on_retry(
    open_desk: OpenDesk,
) -> None:
    failing = Failing(times=0)

    def node(state: Log) -> Log:
        failing()
        return {"seen": [interrupt("which?")]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    failing.left = 1
    assert (await answered(desk, "this")).status is ThreadStatus.ERROR
    [request] = await listed(desk)
    assert (request.delivery, request.delivery_error) == ("failed", "Broken: out of order")
    await desk.retry(request.id, by="john")
    assert (await settled(desk)).values["seen"] == ["this"]


@pytest.mark.parametrize("moment", ["after", "before"])
async def test_asking_anew_opens_a_new_request_and_leaves_its_neighbour_alone(
    open_desk: OpenDesk, moment: str
) -> None:
    fails = {"before": False}

    def poisoned(state: Log) -> Log:
        if fails["before"]:
            raise Broken("not now")
        answer = interrupt("poisoned?")
        return {"seen": [10 // answer]}

    def neighbour(state: Log) -> Log:
        return {"seen": [interrupt("neighbour?")]}

    desk = await open_desk({"g": fork(poisoned, neighbour)})
    await started(desk)
    before = await by_title(desk)
    fails["before"] = moment == "before"
    await desk.decide(before["poisoned?"].id, "respond", values={"value": 0}, by="jane")
    await settled(desk)
    fails["before"] = False
    assert (await by_title(desk))["poisoned?"].delivery == "failed"
    await desk.retry(before["poisoned?"].id, by="john", reask=True)
    thread = await settled(desk)
    assert thread.status is ThreadStatus.INTERRUPTED
    old, neighbour_, new = await listed(desk)
    if old.title == "neighbour?":
        old, neighbour_ = neighbour_, old
    assert (old.state, old.delivery) == ("decided", "none")
    assert neighbour_ == before["neighbour?"]
    assert (new.title, new.state, new.revises) == ("poisoned?", "open", old.id)
    assert new.interrupt_id != old.interrupt_id

    await desk.decide(new.id, "respond", values={"value": 5}, by="jane")
    await settled(desk)
    thread = await answered(desk, "fine")
    assert thread.status is ThreadStatus.IDLE
    assert sorted(map(str, thread.values["seen"])) == ["2", "fine"]
    with pytest.raises(NotRetryable):
        await desk.retry(old.id, by="john")


async def test_a_later_node_that_raises_is_run_on_from_without_running_the_finished_one_again(
    open_desk: OpenDesk,
) -> None:
    ran: list[str] = []
    failing = Failing()

    def review(state: Log) -> Log:
        answer = interrupt("which?")
        ran.append("review")
        return {"seen": [answer]}

    def later(state: Log) -> Log:
        ran.append("later")
        failing()
        return {"seen": ["end"]}

    desk = await open_desk({"g": chain(review, later)})
    await started(desk)
    assert (await answered(desk, "this")).status is ThreadStatus.ERROR
    [request] = await listed(desk)
    assert (request.delivery, request.delivery_error) == ("failed", "Broken: out of order")
    assert request.delivered_at is not None
    await desk.retry(request.id, by="john")
    thread = await settled(desk)
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["this", "end"])
    assert ran == ["review", "later", "later"]
    assert [r.delivery.value for r in await listed(desk)] == ["delivered"]


async def test_asking_anew_what_a_finished_node_asked_goes_back_to_it(open_desk: OpenDesk) -> None:
    def review(state: Log) -> Log:
        return {"seen": [interrupt("divide by?")]}

    def later(state: Log) -> Log:
        return {"seen": [10 // state["seen"][-1]]}

    desk = await open_desk({"g": chain(review, later)})
    await started(desk)
    assert (await answered(desk, 0)).status is ThreadStatus.ERROR
    [old] = await listed(desk)
    await desk.retry(old.id, by="john", reask=True)
    assert (await settled(desk)).status is ThreadStatus.INTERRUPTED
    new = await the_open(desk)
    assert new.interrupt_id != old.interrupt_id
    thread = await answered(desk, 5)
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, [5, 2])
    assert [r.delivery.value for r in await listed(desk)] == ["none", "delivered"]


async def test_all_answers_of_a_failed_run_are_delivered_once_one_of_them_is_retried(
    open_desk: OpenDesk,
) -> None:
    failing = Failing()

    def left(state: Log) -> Log:
        return {"seen": [interrupt("left?")]}

    def right(state: Log) -> Log:
        return {"seen": [interrupt("right?")]}

    def later(state: Log) -> Log:
        failing()
        return {}

    builder = fork(left, right)
    builder.add_node("later", later)
    builder.add_edge(["left", "right"], "later")
    desk = await open_desk({"g": builder})
    await started(desk)
    first, second = await listed(desk)
    await desk.decide(first.id, "respond", values={"value": 1}, by="jane")
    await settled(desk)
    await desk.decide(second.id, "respond", values={"value": 2}, by="jane")
    assert (await settled(desk)).status is ThreadStatus.ERROR
    assert [r.delivery.value for r in await listed(desk)] == ["delivered", "failed"]
    await desk.retry(second.id, by="john")
    assert (await settled(desk)).status is ThreadStatus.IDLE
    assert [r.delivery.value for r in await listed(desk)] == ["delivered", "delivered"]


async def test_answers_that_failed_together_are_delivered_together(open_desk: OpenDesk) -> None:
    failing = {"left": True, "right": True}

    def left(state: Log) -> Log:
        answer = interrupt("left?")
        if failing["left"]:
            raise Broken("left")
        return {"seen": [answer]}

    def right(state: Log) -> Log:
        answer = interrupt("right?")
        if failing["right"]:
            raise Broken("right")
        return {"seen": [answer]}

    desk = await open_desk({"g": fork(left, right)})
    await started(desk)
    for request in await listed(desk):
        await desk.decide(request.id, "respond", values={"value": 1}, by="jane")
        await settled(desk)
    assert [r.delivery.value for r in await listed(desk)] == ["failed", "failed"]
    failing.update(left=False, right=False)
    # LangGraph runs every task again that has not finished, so the other one goes on as well.
    await desk.retry((await listed(desk))[1].id, by="john")
    thread = await settled(desk)
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, [1, 1])
    assert [r.delivery.value for r in await listed(desk)] == ["delivered", "delivered"]


async def test_only_a_failed_delivery_is_retried_and_once(open_desk: OpenDesk) -> None:
    failing = Failing()

    def node(state: Log) -> Log:
        answer = interrupt("which?")
        failing()
        return {"seen": [answer]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    request = await the_open(desk)
    with pytest.raises(NotRetryable):
        await desk.retry(request.id, by="john")
    await answered(desk, "this")
    tries = await asyncio.gather(
        *(desk.retry(request.id, by=f"reviewer-{n}", reask=n % 2 == 0) for n in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, NotRetryable) for each in tries) == 7
    await settled(desk)
    for unknown in (new_id(), "no id"):
        with pytest.raises(RequestNotFound):
            await desk.retry(unknown, by="john")


@pytest.mark.parametrize(
    "message",
    ["with a \x00 in it", "with a lone \ud800 surrogate", "x" * 300_000],
    ids=["nul", "surrogate", "long"],
)
async def test_a_failure_whose_message_cannot_be_kept_as_it_is_still_ends_the_run(
    open_desk: OpenDesk, message: str
) -> None:
    def node(state: Log) -> Log:
        interrupt("which?")
        raise Broken(message)

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    thread = await answered(desk, "this")
    assert thread.status is ThreadStatus.ERROR
    [request] = await listed(desk)
    assert request.delivery == "failed"
    for said in (thread.error, request.delivery_error, (await last_run(desk)).error):
        assert said is not None
        assert said.startswith("Broken: " + message[:7])
        assert len(said) < 20_000


async def test_an_answer_that_the_node_refuses_can_be_asked_for_anew(open_desk: OpenDesk) -> None:
    def node(state: Log) -> Log:
        decision = ask("Pay?", actions=["approve", "reject"])
        if not decision.note:
            raise Broken("say why")
        return {"seen": [decision.action]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    request = await the_open(desk)
    await desk.decide(request.id, "approve", by="jane")
    assert (await settled(desk)).error == "Broken: say why"
    await desk.retry(request.id, by="jane", reask=True)
    await settled(desk)
    again = await the_open(desk)
    await desk.decide(again.id, "reject", by="jane", note="too much")
    assert (await settled(desk)).values["seen"] == ["reject"]


@pytest.mark.parametrize("finished", [True, False], ids=["finished", "stuck"])
async def test_a_question_that_could_not_be_asked_anew_can_be_asked_anew_later(
    open_desk: OpenDesk, finished: bool
) -> None:
    broken = {"before": False, "after": not finished, "later": finished}

    def review(state: Log) -> Log:
        if broken["before"]:
            raise Broken("before")
        answer = interrupt("which?")
        if broken["after"]:
            raise Broken("after")
        return {"seen": [answer]}

    def later(state: Log) -> Log:
        if broken["later"]:
            raise Broken("later")
        return {}

    desk = await open_desk({"g": chain(review, later)})
    await started(desk)
    await answered(desk, "this")
    [old] = await listed(desk)
    broken.update(before=True, after=False, later=False)
    await desk.retry(old.id, by="john", reask=True)
    assert (await settled(desk)).status is ThreadStatus.ERROR
    [again] = await listed(desk)
    assert (again.delivery, again.delivery_error) == ("failed", "Broken: before")
    broken.update(before=False)
    await desk.retry(old.id, by="john", reask=True)
    assert (await settled(desk)).status is ThreadStatus.INTERRUPTED
    thread = await answered(desk, "that")
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["that"])
    assert [r.delivery.value for r in await listed(desk)] == ["none", "delivered"]


async def test_a_node_that_cancels_itself_has_failed(open_desk: OpenDesk) -> None:
    fails = {"now": False}

    async def node(state: Log) -> Log:
        answer = interrupt("which?")
        if fails["now"]:
            raise asyncio.CancelledError
        return {"seen": [answer]}

    desk = await open_desk({"g": chain(node)})
    await started(desk)
    fails["now"] = True
    thread = await answered(desk, "this")
    assert thread.status is ThreadStatus.ERROR
    assert "CancelledError" in thread.error
    fails["now"] = False
    await desk.retry((await listed(desk))[0].id, by="john")
    assert (await settled(desk)).values["seen"] == ["this"]
