"""A document on its way up: manager, legal, executive. Each may send it back, or end it.

A stage is a node that asks. What the stages have in common is `sign_off`; where each leads to
stands in the node, as in any graph.
"""

import operator
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from publishing import publish

from signoff import Action, Decision, ask, once


class Document(TypedDict):
    """What a run starts with."""

    title: str
    text: str
    author: str


class Signature(TypedDict):
    """What a stage has said of a version."""

    stage: str
    version: int
    action: str
    by: str | None
    note: str | None


class State(Document):
    """The document and all that was said of it; a new version needs all signatures anew."""

    version: NotRequired[int]
    signatures: Annotated[list[Signature], operator.add]
    status: Literal["published", "rejected", "withdrawn"]
    published: dict[str, Any]


REVISE = Action("request_changes", label="Request changes", note="required")
SKIP = Action("escalate", label="Straight to the executive")
REVISION = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}},
    "required": ["text"],
    "additionalProperties": False,
}


def sign_off(state: State, stage: str, *actions: str | Action) -> tuple[Decision, dict[str, Any]]:
    """Ask the group of a stage; its decision, and the signature for the state."""
    version = state.get("version", 1)
    decision = ask(
        f"{state['title']}, v{version}: {stage}",
        show={
            "text": state["text"],
            "author": state["author"],
            "signatures": state.get("signatures", []),
        },
        actions=actions,
        topic="document_approval",
        to=f"group:{stage}",
    )
    signature = Signature(
        stage=stage, version=version, action=decision.action, by=decision.by, note=decision.note
    )
    return decision, {"signatures": [signature]}


def manager(state: State) -> Command[Literal["legal", "executive", "revise", "rejected"]]:
    """The first stage, which may also skip the second."""
    decision, signed = sign_off(state, "manager", "approve", SKIP, REVISE, "reject")
    leads_to = {"approve": "legal", "escalate": "executive", "request_changes": "revise"}
    return Command(update=signed, goto=leads_to.get(decision.action, "rejected"))


def legal(state: State) -> Command[Literal["executive", "revise", "rejected"]]:
    """The second stage."""
    decision, signed = sign_off(state, "legal", "approve", REVISE, "reject")
    leads_to = {"approve": "executive", "request_changes": "revise"}
    return Command(update=signed, goto=leads_to.get(decision.action, "rejected"))


def executive(state: State) -> Command[Literal["published", "revise", "rejected"]]:
    """The last stage."""
    decision, signed = sign_off(state, "executive", "approve", REVISE, "reject")
    leads_to = {"approve": "published", "request_changes": "revise"}
    return Command(update=signed, goto=leads_to.get(decision.action, "rejected"))


def revise(state: State) -> Command[Literal["manager", "__end__"]]:
    """The author hands in a new version, which starts over at the first stage; or gives up."""
    decision = ask(
        f"{state['title']}: changes are asked for",
        show={"text": state["text"], "feedback": state["signatures"][-1]},
        actions=[Action("resubmit", reply=REVISION, style="primary"), "withdraw"],
        topic="document_revision",
        to=state["author"],
    )
    if decision.action == "withdraw":
        return Command(update={"status": "withdrawn"}, goto=END)
    revised = {"text": decision.values.text, "version": state.get("version", 1) + 1}
    return Command(update=revised, goto="manager")


def published(state: State) -> dict[str, Any]:
    """Publish the version that was approved, once, with those who signed this version."""
    version = state.get("version", 1)
    signed_by = [each["by"] for each in state["signatures"] if each["version"] == version]
    entry = {"title": state["title"], "version": version, "signed_by": signed_by}
    return {
        "published": once(f"publish:v{version}", lambda key: publish(entry, key)),
        "status": "published",
    }


def rejected(state: State) -> dict[str, Any]:
    """The end of it, whichever stage it was."""
    return {"status": "rejected"}


builder = StateGraph(State, input_schema=Document)
for node in (manager, legal, executive, revise, published, rejected):
    builder.add_node(node)
builder.add_edge(START, "manager")
builder.add_edge("published", END)
builder.add_edge("rejected", END)

graph = builder.compile()
