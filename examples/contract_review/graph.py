"""A contract that no one signs unread: a model drafts it, a person decides, the graph goes on.

``human_review`` asks with ``ask()``, ``finalize`` acts with ``once()``. The rest is LangGraph.
"""

import operator
from hashlib import sha256
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from contract_drafting import Terms, draft_contract, redline
from contract_register import file_contract
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from signoff import Action, ask, once


class Engagement(TypedDict):
    """What a run starts with: for whom, and on which terms."""

    client_name: str
    terms: NotRequired[Terms]


class Event(TypedDict):
    """One step in the life of the contract."""

    action: str
    draft_version: int
    by: str | None
    at: str | None
    note: str | None


class ContractState(Engagement):
    """The contract on its way from the first draft to its end."""

    draft: str
    draft_version: int
    changes: list[str]
    feedback: Annotated[list[str], operator.add]
    history: Annotated[list[Event], operator.add]
    status: Literal["in_review", "approved", "rejected"]
    approval: dict[str, Any]


def draft(state: ContractState) -> dict[str, Any]:
    """Write the next draft, with every reviewer's feedback so far worked in."""
    version = state.get("draft_version", 0) + 1
    previous = state.get("draft", "")
    feedback = state.get("feedback", [])
    text = draft_contract(state["client_name"], state.get("terms", {}), feedback, previous)
    return {
        "draft": text,
        "draft_version": version,
        "changes": redline(previous, text) if previous else [],
        "history": [Event(action="draft", draft_version=version, by=None, at=None, note=None)],
        "status": "in_review",
    }


def human_review(state: ContractState) -> Command[Literal["draft", "finalize", "rejected"]]:
    """Pause until a person has decided, and go where they say."""
    version = state["draft_version"]
    review = ask(
        f"Contract draft v{version} for {state['client_name']}",
        show={
            "draft": state["draft"],
            "terms": state.get("terms", {}),
            "changes": state["changes"],
            "feedback": state.get("feedback", []),
        },
        actions=[
            "approve",
            Action("request_changes", label="Request changes", note="required"),
            "reject",
        ],
        topic="contract_review",
    )
    note = review.note or ""
    event = Event(
        action=review.action,
        draft_version=version,
        by=review.by,
        at=review.at.isoformat() if review.at else None,
        note=note,
    )
    match review.action:
        case "approve":
            return Command(goto="finalize", update={"history": [event]})
        case "request_changes":
            return Command(goto="draft", update={"history": [event], "feedback": [note]})
        case _:
            return Command(goto="rejected", update={"history": [event]})


def finalize(state: ContractState) -> dict[str, Any]:
    """File the contract that was approved: once, whatever crashes and runs again."""
    approved = state["history"][-1]
    approval = {
        "client_name": state["client_name"],
        "draft_version": state["draft_version"],
        "draft_sha256": sha256(state["draft"].encode()).hexdigest(),
        "approved_by": approved["by"],
        "approved_at": approved["at"],
        "note": approved["note"],
    }
    filed = once(
        f"finalize:v{state['draft_version']}", lambda key: file_contract(approval, key=key)
    )
    return {"approval": filed, "status": "approved"}


def rejected(state: ContractState) -> dict[str, Any]:
    """Close the matter without a contract."""
    return {"status": "rejected"}


builder = StateGraph(ContractState, input_schema=Engagement)
builder.add_node(draft)
builder.add_node(human_review)
builder.add_node(finalize)
builder.add_node(rejected)
builder.add_edge(START, "draft")
builder.add_edge("draft", "human_review")
builder.add_edge("finalize", END)
builder.add_edge("rejected", END)

graph = builder.compile()
