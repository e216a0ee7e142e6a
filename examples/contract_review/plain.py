"""The same review in plain LangGraph: bare ``interrupt()``, and no line of Signoff.

Signoff serves this graph as it is. To see what ``ask()`` and ``once()`` add, compare it
with its twin: ``diff plain.py graph.py``.
"""

import operator
from hashlib import sha256
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from contract_drafting import Terms, draft_contract, redline
from contract_register import file_contract
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt


class Engagement(TypedDict):
    """What a run starts with: for whom, and on which terms."""

    client_name: str
    terms: NotRequired[Terms]


class Event(TypedDict):
    """One step in the life of the contract."""

    action: str
    draft_version: int
    by: str | None
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
        "history": [Event(action="draft", draft_version=version, by=None, note=None)],
        "status": "in_review",
    }


def human_review(state: ContractState) -> Command[Literal["draft", "finalize", "rejected"]]:
    """Pause until a person has decided, and go where they say."""
    version = state["draft_version"]
    answer: dict[str, Any] = interrupt(
        {
            "type": "contract_review",
            "question": f"Contract draft v{version} for {state['client_name']}",
            "draft": state["draft"],
            "options": ["approve", "request_changes", "reject"],
        }
    )
    action, by, note = answer["action"], answer.get("reviewer"), answer.get("feedback") or ""
    event = Event(action=action, draft_version=version, by=by, note=note)
    match action:
        case "approve":
            return Command(goto="finalize", update={"history": [event]})
        case "request_changes":
            return Command(goto="draft", update={"history": [event], "feedback": [note]})
        case _:
            return Command(goto="rejected", update={"history": [event]})


def finalize(state: ContractState) -> dict[str, Any]:
    """File the contract that was approved. A crash right after this files it a second time."""
    approved = state["history"][-1]
    approval = {
        "client_name": state["client_name"],
        "draft_version": state["draft_version"],
        "draft_sha256": sha256(state["draft"].encode()).hexdigest(),
        "approved_by": approved["by"],
        "note": approved["note"],
    }
    return {"approval": file_contract(approval), "status": "approved"}


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
