"""Graphs that the tests of the API serve."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel

from signoff import ask


class Draft(TypedDict, total=False):
    topic: str
    policy: dict[str, Any]
    text: str
    decision: dict[str, Any]
    finished: int
    log: Annotated[list[str], operator.add]


class Terms(BaseModel):
    """What the reviewer may set."""

    amount: int


def draft(state: Draft) -> Draft:
    return {"text": f"Draft about {state['topic']}", "log": ["draft"]}


def review(state: Draft) -> Draft:
    decision = ask(
        f"Is the draft about {state['topic']} fine?",
        show={"text": state["text"]},
        actions=["approve", "reject"],
        reply=Terms if state["topic"] == "terms" else None,
        topic="drafts",
        **state.get("policy", {}),
    )
    return {
        "decision": {
            "action": decision.action,
            "values": decision.values,
            "note": decision.note,
            "by": decision.by,
        }
    }


def finish(state: Draft) -> Draft:
    return {"finished": state.get("finished", 0) + 1, "log": ["finish"]}


def drafts() -> StateGraph[Draft]:
    """draft, review (a pause), finish."""
    builder = StateGraph(Draft)
    builder.add_sequence([draft, review, finish])
    builder.add_edge(START, "draft")
    return builder


class Answers(TypedDict, total=False):
    answers: Annotated[list[Any], operator.add]
    fail: bool


def first(state: Answers) -> Answers:
    answer = interrupt({"question": "First?", "type": "quiz"})
    if answer == "boom":
        raise ValueError("the answer is boom")
    return {"answers": [answer]}


def second(state: Answers) -> Answers:
    return {"answers": [interrupt("Second?")]}


def pair() -> StateGraph[Answers]:
    """Two questions at the same time."""
    builder = StateGraph(Answers)
    for node in (first, second):
        builder.add_node(node.__name__, node)
        builder.add_edge(START, node.__name__)
    return builder


def single() -> StateGraph[Answers]:
    """One bare question; the answer "boom" makes its node fail."""
    builder = StateGraph(Answers)
    builder.add_node("first", first)
    builder.add_edge(START, "first")
    return builder


def nested() -> StateGraph[Answers]:
    """A question inside a subgraph."""
    builder = StateGraph(Answers)
    builder.add_node("inner", single().compile())
    builder.add_edge(START, "inner")
    return builder


def failing() -> StateGraph[Answers]:
    """A graph that fails at once."""

    def node(state: Answers) -> Answers:
        raise ValueError("nothing works")

    builder = StateGraph(Answers)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder


class Gate:
    """A graph that stands still in its one node until it is let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()

    def graph(self) -> StateGraph[Answers]:
        async def node(state: Answers) -> Answers:
            self.entered.set()
            await self.opened.wait()
            return {"answers": ["through"]}

        builder = StateGraph(Answers)
        builder.add_node("node", node)
        builder.add_edge(START, "node")
        return builder
