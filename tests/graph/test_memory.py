"""What a process remembers of threads that paused in it is what it would load, or is not used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.types import interrupt

from signoff import Signoff, ask
from signoff.db import requests
from signoff.domain.errors import RequestClosed
from signoff.graph import memory
from signoff.graph.memory import Memory, Pausing, Trail
from signoff.service.threads import delete_thread
from tests.conftest import OpenDesk
from tests.helpers import Log, chain, fork, settled, started


def review(state: Log) -> Any:
    """Ask as a node of Signoff does."""
    decision = ask("Pay?", show={"amount": state.get("amount")}, actions=["approve", "reject"])
    return {"seen": [decision.action]}


def choose(state: Log) -> Any:
    """Ask with a dict of options, and bytes in the state before it."""
    return {"seen": [interrupt({"question": "Which?", "options": ["a", "b"]})["action"]]}


def question(state: Log) -> Any:
    """Ask twice."""
    return {"seen": [interrupt("One?"), interrupt("Two?")]}


def prepare(state: Log) -> Any:
    """Something that is stored as a blob."""
    return {"seen": [("pair", 1), {"nested": [1.5, None]}], "amount": 3}


async def remembered(desk: Signoff, thread_id: str = "t") -> memory.Remembered:
    """What the desk's process knows of a thread."""
    known = desk.office.memory._threads[thread_id]
    assert known.request is not None
    return known


@pytest.mark.parametrize("node", [review, choose, question])
async def test_what_is_remembered_is_what_the_database_would_tell(
    open_desk: OpenDesk, node: Any
) -> None:
    desk = await open_desk({"g": chain(prepare, node)})
    await started(desk)
    known = await remembered(desk)
    assert known.request is not None
    async with desk.office.database.connection() as conn:
        assert await requests.get(conn, known.request.id) == known.request
    saver = desk.office.catalog["g"].saver
    loaded = await saver.aget_tuple({"configurable": {"thread_id": "t", "checkpoint_ns": ""}})
    assert loaded is not None
    assert saver.remembered(known.trail) == loaded


async def test_the_second_question_of_a_node_is_remembered_as_well(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(prepare, question)})
    await started(desk)
    for value in ("first", "second"):
        known = await remembered(desk)
        assert known.request is not None
        saver = desk.office.catalog["g"].saver
        loaded = await saver.aget_tuple({"configurable": {"thread_id": "t", "checkpoint_ns": ""}})
        assert saver.remembered(known.trail) == loaded
        await desk.decide(known.request.id, "respond", by="jane", values={"value": value})
        thread = await settled(desk)
    assert thread.values["seen"][-2:] == ["first", "second"]
    assert desk.office.memory.forget("t") is None


async def test_a_request_that_another_process_has_closed_is_not_decided_from_memory(
    open_desk: OpenDesk,
) -> None:
    desk, other = await open_desk({"g": chain(review)}), await open_desk({"g": chain(review)})
    await started(desk)
    known = await remembered(desk)
    assert known.request is not None
    await other.withdraw(known.request.id, by="jane", note="not needed")
    with pytest.raises(RequestClosed):
        await desk.decide(known.request.id, "approve", by="jane")


async def test_a_request_that_another_process_has_changed_is_decided_as_it_stands(
    open_desk: OpenDesk,
) -> None:
    desk, other = await open_desk({"g": chain(review)}), await open_desk({"g": chain(review)})
    await started(desk)
    known = await remembered(desk)
    assert known.request is not None
    await other.comment(known.request.id, "look at the amount", by="joe")
    decided = await desk.decide(known.request.id, "approve", by="jane")
    assert [comment.text for comment in decided.comments] == ["look at the amount"]
    assert (await settled(desk)).values["seen"] == ["approve"]


async def test_a_state_that_another_process_has_updated_is_loaded(open_desk: OpenDesk) -> None:
    desk, other = await open_desk({"g": chain(review)}), await open_desk({"g": chain(review)})
    await started(desk)
    stale = await remembered(desk)
    # Run elsewhere to the next pause, and have this process remember the one before.
    await other.start("g", {"amount": 5}, by="starter", thread_id="t")
    await settled(other)
    [request] = (await other.requests(thread_id="t", state="open")).items
    desk.office.memory.forget("t")
    desk.office.memory.keep("t", stale.epoch, Pausing(stale.request, stale.trail))
    await desk.decide(request.id, "approve", by="jane")
    assert (await settled(desk)).values == {"seen": ["approve"], "amount": 5}


async def test_what_a_branch_has_stored_elsewhere_is_loaded(open_desk: OpenDesk) -> None:
    def left(_state: Log) -> Any:
        return {"seen": [f"left {interrupt('Left?')}"]}

    def right(_state: Log) -> Any:
        return {"seen": [f"right {interrupt('Right?')}"]}

    graph = fork(left, right)
    desk, other = await open_desk({"g": graph}), await open_desk({"g": graph})
    await started(desk)
    by_title = {each.title: each for each in (await desk.requests(thread_id="t")).items}
    await other.decide(by_title["Left?"].id, "respond", by="jane", values={"value": 1})
    await settled(other)
    await desk.decide(by_title["Right?"].id, "respond", by="jane", values={"value": 2})
    assert (await settled(desk)).values["seen"] == ["left 1", "right 2"]


async def test_a_thread_that_was_removed_and_made_again_is_another_one(
    open_desk: OpenDesk,
) -> None:
    desk, other = await open_desk({"g": chain(review)}), await open_desk({"g": chain(review)})
    await started(desk, input={"amount": 1})
    await delete_thread(other.office, "t", by="jane")
    await started(other, input={"amount": 2})
    [request] = (await desk.requests(thread_id="t", state="open")).items
    stale = await remembered(desk)
    async with desk.office.database.connection() as conn:
        found = await requests.with_known(conn, request.id)
    assert found is not None
    assert found.epoch == stale.epoch, "the epochs alone do not tell them apart"
    await desk.decide(request.id, "approve", by="jane")
    assert (await settled(desk)).values == {"seen": ["approve"], "amount": 2}


async def test_many_decisions_at_once_are_each_recorded_once(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    threads = [f"t{number}" for number in range(24)]
    await asyncio.gather(*(started(desk, thread_id=each) for each in threads))
    items = (await desk.requests(limit=100)).items
    assert len(items) == len(threads)
    asked = [(item.id, action) for item in items for action in ("approve", "reject")]
    outcomes = await asyncio.gather(
        *(desk.decide(id_, action, by=action) for id_, action in asked), return_exceptions=True
    )
    won = [each for each in outcomes if not isinstance(each, BaseException)]
    assert len(won) == len(threads)
    assert all(isinstance(each, RequestClosed) for each in outcomes if each not in won)
    for each in threads:
        assert len((await settled(desk, each)).values["seen"]) == 1


def test_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_THREADS", 2)
    kept = Memory()
    for number in range(3):
        kept.keep(str(number), 1, Pausing(None, Trail()))
    assert list(kept._threads) == ["1", "2"]
    large = Trail(row={"checkpoint_id": "c", "checkpoint": b"x" * 70_000, "metadata": b"{}"})
    kept.keep("large", 1, Pausing(None, large))
    assert list(kept._threads) == ["1", "2"]
