"""Pauses where the way goes on from them: commands, tools, error handlers, states in parts."""

from __future__ import annotations

import operator
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.errors import NodeError
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Send, interrupt

from signoff import ask, once
from signoff.domain.thread import ThreadStatus
from tests.conftest import OpenDesk
from tests.helpers import Log, answered, by_title, chain, listed, settled, started, the_open


def _routes(review: Any) -> StateGraph[Any]:
    def pay(_state: Log) -> Log:
        return {"seen": ["paid"]}

    def shred(_state: Log) -> Log:
        return {"seen": ["shredded"]}

    builder = chain(review)
    builder.add_node("pay", pay)
    builder.add_node("shred", shred)
    return builder


def review(_state: Log) -> Command[Literal["pay", "shred", "review"]]:
    """Ask, and go where the answer says."""
    decision = ask("Pay?", actions=["approve", "reject", "later"])
    where = {"approve": "pay", "reject": "shred", "later": "review"}[decision.action]
    return Command(goto=where, update={"seen": [decision.action]})


async def areview(state: Log) -> Command[Literal["pay", "shred", "review"]]:
    """The same, async."""
    return review(state)


areview.__name__ = "review"


@pytest.mark.parametrize("node", [review, areview], ids=["sync", "async"])
async def test_a_command_goes_where_the_answer_says_and_asks_again_on_the_way(
    open_desk: OpenDesk, node: Any
) -> None:
    desk = await open_desk({"g": _routes(node)})
    await started(desk)
    for action in ("later", "later", "reject"):
        request = await the_open(desk)
        await desk.decide(request.id, action, by="jane")
        thread = await settled(desk)
    assert thread.status is ThreadStatus.IDLE
    assert thread.values["seen"] == ["later", "later", "reject", "shredded"]
    asked = await listed(desk)
    assert [each.outcome.action for each in asked if each.outcome] == ["later", "later", "reject"]
    assert len({each.pause.interrupt_id for each in asked}) == 3


async def test_a_command_of_a_subgraph_goes_on_in_the_graph_around_it(open_desk: OpenDesk) -> None:
    def inner(_state: Log) -> Command[str]:
        return Command(goto="pay", update={"seen": [interrupt("inside?")]}, graph=Command.PARENT)

    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("inside", chain(inner).compile(), destinations=("pay",))
    builder.add_node("pay", lambda _state: {"seen": ["paid"]})
    builder.add_edge(START, "inside")
    desk = await open_desk({"g": builder})
    await started(desk)
    thread = await answered(desk, "yes")
    assert (thread.status, thread.values["seen"]) == (ThreadStatus.IDLE, ["yes", "paid"])


async def test_a_command_fans_out_and_what_a_part_did_once_is_not_done_for_a_siblings_answer(
    open_desk: OpenDesk,
) -> None:
    sent: list[str] = []

    def plan(_state: Log) -> Command[Literal["part"]]:
        return Command(goto=[Send("part", {"name": name}) for name in ("a", "b", "c")])

    def part(state: dict[str, str]) -> Log:
        name = state["name"]
        once(f"mail {name}", lambda: sent.append(name))
        return {"seen": [f"{name} {interrupt(name)}"]}

    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("plan", plan)
    builder.add_node("part", part)
    builder.add_edge(START, "plan")
    desk = await open_desk({"g": builder})
    await started(desk)
    first = await by_title(desk, "open")
    assert first.keys() == {"a", "b", "c"}
    for name in ("b", "c", "a"):
        before = await by_title(desk, "open")
        assert {each.id for each in before.values()} <= {each.id for each in first.values()}
        await desk.decide(first[name].id, "respond", values={"value": name.upper()}, by="jane")
        await settled(desk)
    assert (await desk.thread("t")).values["seen"] == ["a A", "b B", "c C"]
    assert sorted(sent) == ["a", "b", "c"]


class Chat(TypedDict):
    """A conversation."""

    messages: Annotated[list[AnyMessage], add_messages]


@tool
def transfer(amount: int) -> str:
    """Transfer money, once somebody has agreed."""
    decision = ask(f"Transfer {amount}?", actions=["approve", "reject"], show={"amount": amount})
    if decision.action == "reject":
        return f"refused by {decision.by}"
    return f"transferred {amount}"


def _calls(*amounts: int) -> AIMessage:
    calls: Any = [
        {"name": "transfer", "args": {"amount": amount}, "id": f"call-{amount}"}
        for amount in amounts
    ]
    return AIMessage(content="", tool_calls=calls, id="calls")


def _tool_messages(thread: Any) -> dict[str, str]:
    return {
        each["tool_call_id"]: each["content"]
        for each in thread.values["messages"]
        if each["type"] == "tool"
    }


async def test_a_tool_asks_and_its_answer_is_its_message(open_desk: OpenDesk) -> None:
    def model(_state: Chat) -> Any:
        return {"messages": [_calls(5)]}

    tools = ToolNode([transfer])
    builder: StateGraph[Any] = StateGraph(Chat)
    builder.add_node("model", model)
    builder.add_node("tools", tools)
    builder.add_edge(START, "model")
    builder.add_edge("model", "tools")
    desk = await open_desk({"g": builder})
    await started(desk, input={"messages": []})
    request = await the_open(desk)
    assert (request.title, request.node) == ("Transfer 5?", "tools")
    await desk.decide(request.id, "reject", by="jane")
    assert _tool_messages(await settled(desk)) == {"call-5": "refused by jane"}


async def test_tools_that_are_called_at_once_ask_each_for_itself(open_desk: OpenDesk) -> None:
    """As LangGraph's agents do it: each call is sent to the tools by itself."""

    def model(state: Chat) -> Command[Literal["tools"]]:
        message = _calls(1, 2, 3)
        calls = [
            Send("tools", {"__type": "tool_call_with_context", "tool_call": call, "state": state})
            for call in message.tool_calls
        ]
        return Command(goto=calls, update={"messages": [message]})

    builder: StateGraph[Any] = StateGraph(Chat)
    builder.add_node("model", model)
    builder.add_node("tools", ToolNode([transfer]))
    builder.add_edge(START, "model")
    desk = await open_desk({"g": builder})
    await started(desk, input={"messages": []})
    asked = await by_title(desk, "open")
    assert asked.keys() == {"Transfer 1?", "Transfer 2?", "Transfer 3?"}
    for amount, action in ((3, "approve"), (1, "reject"), (2, "approve")):
        await desk.decide(asked[f"Transfer {amount}?"].id, action, by="jane")
        thread = await settled(desk)
    assert _tool_messages(thread) == {
        "call-1": "refused by jane",
        "call-2": "transferred 2",
        "call-3": "transferred 3",
    }


async def test_an_error_handler_asks_what_to_do(open_desk: OpenDesk) -> None:
    tries: list[int] = []

    class CardRefused(Exception):
        pass

    def charge(state: Log) -> Log:
        tries.append(1)
        if state.get("amount", 0) > 100:
            raise CardRefused("over the limit of the card")
        return {"seen": ["charged"]}

    def mend(_state: Log, error: NodeError) -> Command[Literal["charge", "__end__"]]:
        assert isinstance(error.error, Exception), "also when the handler runs again"
        decision = ask(f"{error.node} failed: {error.error}", actions=["retry", "give_up"])
        if decision.action == "retry":
            return Command(goto="charge", update={"amount": 50, "seen": ["mended"]})
        return Command(goto=END, update={"seen": ["given up"]})

    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("charge", charge, error_handler=mend)
    builder.add_edge(START, "charge")
    desk = await open_desk({"g": builder})
    thread = await started(desk, input={"amount": 500})
    assert thread.status is ThreadStatus.INTERRUPTED
    request = await the_open(desk)
    assert request.title == "charge failed: over the limit of the card"
    await desk.decide(request.id, "retry", by="jane")
    thread = await settled(desk)
    assert (thread.status, thread.error) == (ThreadStatus.IDLE, None)
    assert thread.values["seen"] == ["mended", "charged"]
    assert len(tries) == 2
    assert (await desk.request(request.id)).delivery == "delivered"


class Asked(TypedDict):
    """What goes in."""

    amount: int


class Told(TypedDict):
    """What comes out."""

    seen: Annotated[list[str], operator.add]


class Whole(Asked, Told):
    """What is between."""


class Private(TypedDict):
    """What only two nodes know."""

    secret: str


async def test_a_private_key_survives_the_pause(open_desk: OpenDesk) -> None:
    def fetch(_state: Asked) -> Private:
        return {"secret": "42"}

    def review(state: Private) -> Told:
        return {"seen": [f"{state['secret']} {interrupt('Which?')}"]}

    builder: StateGraph[Any] = StateGraph(Whole, input_schema=Asked, output_schema=Told)
    builder.add_node("fetch", fetch)
    builder.add_node("review", review)
    builder.add_edge(START, "fetch")
    builder.add_edge("fetch", "review")
    desk = await open_desk({"g": builder})
    await started(desk, input={"amount": 1})
    thread = await answered(desk, "x")
    # The state of a thread has all keys, as the engine's own `get_state` shows them.
    assert thread.values == {"amount": 1, "secret": "42", "seen": ["42 x"]}


def _keep_highest(old: int | None, new: int) -> int:
    return max(old or 0, new)


class Scores(TypedDict):
    """A state with a reducer of its own."""

    score: Annotated[int, _keep_highest]


async def test_a_reducer_of_ones_own_takes_what_was_answered(open_desk: OpenDesk) -> None:
    def rate(_state: Scores) -> Scores:
        return {"score": interrupt("How good?")}

    def rate_again(_state: Scores) -> Scores:
        return {"score": interrupt("And now?")}

    desk = await open_desk({"g": chain(rate, rate_again, state=Scores)})
    await started(desk, input={"score": 3})
    await answered(desk, 9)
    assert (await answered(desk, 4)).values == {"score": 9}


async def test_a_tool_message_of_the_answer_replaces_the_one_before(open_desk: OpenDesk) -> None:
    def model(_state: Chat) -> Any:
        return {"messages": [_calls(7), ToolMessage("pending", tool_call_id="call-7", id="m")]}

    def review(_state: Chat) -> Any:
        text = interrupt("What is it?")
        return {"messages": [ToolMessage(text, tool_call_id="call-7", id="m")]}

    desk = await open_desk({"g": chain(model, review, state=Chat)})
    await started(desk, input={"messages": []})
    thread = await answered(desk, "done")
    assert _tool_messages(thread) == {"call-7": "done"}
    assert len(thread.values["messages"]) == 2
