"""A thread goes on after a decision as it was started: with its context and configuration."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from tests.conftest import OpenDesk
from tests.helpers import answered, settled, the_open


class State(TypedDict, total=False):
    seen: dict[str, Any]


class Context(TypedDict):
    user: str


def node(state: State, runtime: Runtime[Context], config: RunnableConfig) -> State:
    answer = interrupt("Go on?")
    if answer == "boom":
        raise ValueError("boom")
    return {
        "seen": {
            "answer": answer,
            "user": runtime.context["user"],
            "model": config["configurable"]["model"],
            "limit": config["recursion_limit"],
        }
    }


def graph() -> StateGraph[State, Context]:
    builder = StateGraph(State, context_schema=Context)
    builder.add_node("node", node)
    builder.set_entry_point("node")
    return builder


SETTINGS: dict[str, Any] = {
    "context": {"user": "ann"},
    "config": {"configurable": {"model": "small"}, "recursion_limit": 7},
    "metadata": {"team": "fin"},
}
SEEN = {"user": "ann", "model": "small", "limit": 7}


@pytest.mark.parametrize("work", [True, False])
async def test_the_run_after_a_decision_has_the_settings_of_the_start(
    open_desk: OpenDesk, work: bool
) -> None:
    desk = await open_desk({"g": graph()})
    decider = desk if work else await open_desk({"g": graph()}, work=False)
    await desk.start("g", {}, by="sam", thread_id="t", **SETTINGS)
    await settled(desk)
    request = await the_open(decider)
    await decider.decide(request.id, "respond", values={"value": 1}, by="jane")
    thread = await settled(decider)
    assert thread.values == {"seen": {"answer": 1, **SEEN}}


@pytest.mark.parametrize("reask", [False, True])
async def test_the_run_after_a_retry_has_the_settings_of_the_start(
    open_desk: OpenDesk, reask: bool
) -> None:
    desk = await open_desk({"g": graph()})
    await desk.start("g", {}, by="sam", thread_id="t", **SETTINGS)
    await settled(desk)
    request = await the_open(desk)
    failed = await answered(desk, "boom")
    assert failed.error == "ValueError: boom"
    await desk.retry(request.id, by="jane", reask=reask)
    thread = await settled(desk)
    if not reask:
        assert thread.error == "ValueError: boom"
        await desk.retry(request.id, by="jane", reask=True)
        await settled(desk)
    thread = await answered(desk, 2)
    assert thread.values == {"seen": {"answer": 2, **SEEN}}
