"""Graphs that the tests of the inbox serve: one for each thing that a page has to show."""

from __future__ import annotations

import itertools
import operator
from typing import Annotated, Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel, Field

from signoff import Action, ask


class Paper(TypedDict, total=False):
    client: str
    version: int
    text: str
    feedback: Annotated[list[str], operator.add]
    policy: dict[str, Any]
    status: str


CLAUSES = """\
# Services agreement

Between **Northlight Consulting Ltd** and {client}.

## 1. Services

The provider renders software engineering and advisory services.

## 2. Fees

- Monthly fee: EUR 12,000
- Payment within {days} days

## 3. Term

The agreement runs for 24 months.
"""


def draft(state: Paper) -> Paper:
    version = state.get("version", 0) + 1
    return {
        "version": version,
        "text": CLAUSES.format(client=state["client"], days=30 if version == 1 else 45),
    }


def review(state: Paper) -> Command[Literal["draft", "finalize"]]:
    decision = ask(
        f"Contract v{state['version']} for {state['client']}",
        show={"draft": state["text"], "terms": {"fee": "EUR 12,000", "version": state["version"]}},
        actions=["approve", Action("request_changes", note="required"), "reject"],
        topic="contract_review",
        **state.get("policy", {}),
    )
    if decision.action == "request_changes":
        return Command(goto="draft", update={"feedback": [decision.note or ""]})
    return Command(goto="finalize", update={"status": decision.action})


def finalize(state: Paper) -> Paper:
    return {"status": f"{state['status']}, filed"}


def contracts() -> StateGraph[Paper]:
    """draft, review (a pause, again after changes), finalize."""
    builder = StateGraph(Paper)
    builder.add_node(draft)
    builder.add_node(review)
    builder.add_node(finalize)
    builder.add_edge(START, "draft")
    builder.add_edge("draft", "review")
    builder.add_edge("finalize", END)
    return builder


class Asked(TypedDict, total=False):
    payload: Any
    policy: dict[str, Any]
    answer: Any


def question(state: Asked) -> Asked:
    return {"answer": interrupt(state["payload"])}


def questions() -> StateGraph[Asked]:
    """Pauses with whatever it is given; the answer "boom" makes the node after it fail."""

    def after(state: Asked) -> Asked:
        if state["answer"] == "boom":
            raise ValueError("the answer is boom")
        return {}

    builder = StateGraph(Asked)
    builder.add_sequence([question, after])
    builder.add_edge(START, "question")
    return builder


class Line(BaseModel):
    item: str
    amount: int = Field(ge=1)


class Order(BaseModel):
    """What the buyer may set."""

    supplier: str = Field(min_length=2, description="Who delivers")
    amount: int = Field(ge=1, le=100)
    express: bool = False
    grade: Literal["a", "b", "c"] = "b"
    due: str | None = None
    tags: list[str] = []


def fill_in(state: Asked) -> Asked:
    decision = ask(
        "What are we to order?",
        show="Stock is low.",
        actions=[Action("order", reply=Order, style="primary"), "reject"],
        **state.get("policy", {}),
    )
    return {"answer": {"action": decision.action, "values": decision.values}}


def orders() -> StateGraph[Asked]:
    """Asks with a form."""
    builder = StateGraph(Asked)
    builder.add_node(fill_in)
    builder.add_edge(START, "fill_in")
    return builder


PRICES = itertools.count(100)


def buy(state: Asked) -> None:
    ask(f"Buy at {next(PRICES)}?", actions=["approve", "reject"])


def afford(state: Asked) -> None:
    ask("Within the budget?", actions=["yes"])


def prices() -> StateGraph[Asked]:
    """Asks two things at once, one of which is another whenever it is asked again."""
    builder = StateGraph(Asked)
    builder.add_node(buy)
    builder.add_node(afford)
    builder.add_edge(START, "buy")
    builder.add_edge(START, "afford")
    return builder


CALL = {
    "action_request": {
        "action": "send_email",
        "args": {
            "to": "mark@borealis.no",
            "subject": "Your invoice",
            "body": "Dear Mark,\n\nyour invoice is attached.\n\nKind regards\nNorthlight",
            "urgent": False,
            "retries": 2,
        },
    },
    "config": {
        "allow_accept": True,
        "allow_edit": True,
        "allow_respond": True,
        "allow_ignore": True,
    },
    "description": "The assistant wants to send an **e-mail**.",
}
"""A call of a tool, as the Agent Inbox has it."""

BATCH = {
    "action_requests": [
        {"name": "pay", "args": {"to": "Acme", "amount": 40}},
        {"name": "write", "args": {"text": "Paid."}},
    ],
    "review_configs": [
        {"action_name": "pay", "allowed_decisions": ["approve", "edit", "reject"]},
        {"action_name": "write", "allowed_decisions": ["approve", "reject"]},
    ],
}
"""Two calls of tools in one message."""


def stopping() -> Any:
    """Stops before its second node, by a breakpoint."""
    builder = StateGraph(Paper)
    builder.add_sequence([draft, finalize])
    builder.add_edge(START, "draft")
    return builder.compile(interrupt_before=["finalize"])


def everything() -> dict[str, Any]:
    """All of them by name."""
    return {
        "contracts": contracts(),
        "questions": questions(),
        "orders": orders(),
        "stopping": stopping(),
    }
