"""The same document, read by three departments at once; the graph joins what they say."""

import operator
from typing import Annotated, Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from publishing import publish

from signoff import ask, once


class Document(TypedDict):
    """What a run starts with."""

    title: str
    text: str
    author: str


class Opinion(TypedDict):
    """What a department says."""

    department: str
    action: str
    by: str | None
    note: str | None


class State(Document):
    """The document with the opinions on it, in whatever order they come."""

    opinions: Annotated[list[Opinion], operator.add]
    status: Literal["published", "rejected"]
    published: dict[str, Any]


def opinion(state: State, department: str) -> dict[str, list[Opinion]]:
    """Ask a department, while the others are asked too."""
    decision = ask(
        f"{state['title']}: {department}",
        show={"text": state["text"], "author": state["author"]},
        topic="document_approval",
        to=f"group:{department}",
    )
    said = Opinion(
        department=department, action=decision.action, by=decision.by, note=decision.note
    )
    return {"opinions": [said]}


def legal(state: State) -> dict[str, list[Opinion]]:
    """Is it lawful?"""
    return opinion(state, "legal")


def finance(state: State) -> dict[str, list[Opinion]]:
    """Can we afford it?"""
    return opinion(state, "finance")


def security(state: State) -> dict[str, list[Opinion]]:
    """Is it safe?"""
    return opinion(state, "security")


def verdict(state: State) -> dict[str, Any]:
    """Runs once all three have answered: publish, unless one of them is against it."""
    if any(each["action"] == "reject" for each in state["opinions"]):
        return {"status": "rejected"}
    entry = {"title": state["title"], "signed_by": sorted(o["by"] for o in state["opinions"])}
    return {"published": once("publish", lambda key: publish(entry, key)), "status": "published"}


DEPARTMENTS = ("legal", "finance", "security")

builder = StateGraph(State, input_schema=Document)
for node in (legal, finance, security, verdict):
    builder.add_node(node)
for department in DEPARTMENTS:
    builder.add_edge(START, department)
builder.add_edge(list(DEPARTMENTS), "verdict")  # a list: it waits for all of them
builder.add_edge("verdict", END)

graph = builder.compile()
