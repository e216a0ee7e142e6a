"""Starting runs: on new threads, on busy ones, with odd orders."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph.message import MessagesState
from langgraph.types import interrupt

from signoff.domain.errors import (
    Conflict,
    GraphNotFound,
    InvalidInput,
    NothingPending,
    ThreadBusy,
    ThreadNotFound,
    TooLarge,
)
from signoff.domain.run import RunStatus
from signoff.domain.thread import ThreadStatus
from signoff.service import read
from signoff.service.start_run import Order, start_run
from tests.conftest import OpenDesk
from tests.helpers import TIMEOUT, Log, answered, chain, rows, settled, started


def nothing(state: Log) -> Log:
    return {}


async def test_many_starts_of_one_new_thread_at_once_all_run_one_after_the_other(
    open_desk: OpenDesk,
) -> None:
    running, most = 0, 0

    async def node(state: Log) -> Log:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return {"seen": [state["amount"]]}

    desk = await open_desk({"g": chain(node)})
    other = await open_desk({"g": chain(node)})
    await asyncio.gather(
        *(
            (desk if number % 2 else other).start(
                "g", {"amount": number}, by="starter", thread_id="t"
            )
            for number in range(16)
        )
    )
    thread = await settled(desk)
    assert most == 1
    assert sorted(thread.values["seen"]) == list(range(16))
    assert await rows(desk, "SELECT DISTINCT status FROM runs") == [{"status": "succeeded"}]


async def test_a_checkpoint_is_kept_after_each_step_whatever_durability_is_asked_for(
    open_desk: OpenDesk,
) -> None:
    for durability in ("exit", "async", "sync", None):
        gate, reached = asyncio.Event(), asyncio.Event()

        def first(state: Log) -> Log:
            return {"seen": ["first"]}

        async def second(
            state: Log, gate: asyncio.Event = gate, reached: asyncio.Event = reached
        ) -> Log:
            reached.set()
            await gate.wait()
            return {"seen": [interrupt("which?")]}

        desk = await open_desk({"g": chain(first, second)})
        name = f"t-{durability}"
        order = Order(
            graph="g",
            thread_id=name,
            by="starter",
            input={},
            options={"durability": durability},
        )
        await start_run(desk.office, order)
        await asyncio.wait_for(reached.wait(), TIMEOUT)
        # What was sent is there, or is about to be: a write behind it shows that it is.
        gate.set()
        assert (await settled(desk, name)).status is ThreadStatus.INTERRUPTED
        kept = await rows(desk, "SELECT * FROM checkpoints WHERE thread_id = %s", name)
        assert len(kept) == 3, durability
        await desk.__aexit__(None, None, None)


async def test_what_is_no_order_is_refused_and_makes_no_thread(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(nothing)})
    for error, changed in (
        (GraphNotFound, {"graph": "other"}),
        (InvalidInput, {"thread_id": "with/slash"}),
        (InvalidInput, {"thread_id": ""}),
        (InvalidInput, {"thread_id": "x" * 256}),
        (InvalidInput, {"thread_id": "nul\x00"}),
        (InvalidInput, {"by": ""}),
        (InvalidInput, {"by": "system"}),
        (InvalidInput, {"input": {"x": "\x00"}}),
        (InvalidInput, {"input": {"x": float("nan")}}),
        (InvalidInput, {"metadata": {"x": "\ud800"}}),
        (TooLarge, {"input": {"x": "x" * 1_100_000}}),
        (NothingPending, {"input": None}),
        (ThreadNotFound, {"create": False}),
    ):
        order: dict[str, Any] = {"graph": "g", "thread_id": "t", "by": "me", "input": {}}
        with pytest.raises(error):
            await start_run(desk.office, Order(**{**order, **changed}))
    assert await rows(desk, "SELECT * FROM threads") == []
    longest = "x" * 255
    assert (await started(desk, thread_id=longest)).status is ThreadStatus.IDLE


async def test_a_run_that_is_not_to_wait_is_refused_where_one_is_under_way(
    open_desk: OpenDesk,
) -> None:
    gate, reached = asyncio.Event(), asyncio.Event()

    async def node(state: Log) -> Log:
        reached.set()
        await gate.wait()
        return {}

    desk = await open_desk({"g": chain(node)})
    run = await desk.start("g", {}, by="starter", thread_id="t")
    await asyncio.wait_for(reached.wait(), TIMEOUT)
    with pytest.raises(ThreadBusy):
        await start_run(
            desk.office,
            Order(graph="g", thread_id="t", by="starter", input={}, enqueue=False),
        )
    gate.set()
    await settled(desk)
    assert (await read.get_run(desk.office, "t", run.id)).status is RunStatus.SUCCEEDED
    assert len(await rows(desk, "SELECT * FROM runs")) == 1


async def test_a_thread_with_nothing_to_go_on_with_says_so(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(nothing)})
    await started(desk)
    await desk.start("g", None, by="starter", thread_id="t")
    assert (await settled(desk)).status is ThreadStatus.IDLE
    assert await rows(desk, "SELECT DISTINCT status FROM runs") == [{"status": "succeeded"}]


async def test_no_other_graph_goes_on_where_one_has_asked(open_desk: OpenDesk) -> None:
    def asks(state: Log) -> Log:
        return {"seen": [interrupt("Well?")]}

    desk = await open_desk({"g": chain(asks), "other": chain(nothing)})
    await started(desk)
    with pytest.raises(Conflict, match="'other' can only begin anew on it"):
        await desk.start("other", None, by="starter", thread_id="t")
    assert (await answered(desk, "yes")).values["seen"] == ["yes"]
    assert (await started(desk, "other")).graph == "other"


async def test_a_graph_is_given_messages_as_objects_or_pairs(open_desk: OpenDesk) -> None:
    def reply(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(f"{state['messages'][-1].content}!", id="reply")]}

    desk = await open_desk({"g": chain(reply, state=MessagesState)})
    await desk.start("g", {"messages": [HumanMessage("hi")]}, by="jo", thread_id="objects")
    await desk.start("g", {"messages": [("user", "ho")]}, by="jo", thread_id="pairs")
    for thread_id, said in (("objects", "hi"), ("pairs", "ho")):
        messages = (await settled(desk, thread_id)).values["messages"]
        assert [(each["type"], each["content"]) for each in messages] == [
            ("human", said),
            ("ai", f"{said}!"),
        ]
