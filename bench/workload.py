"""The graph that is measured: a draft, a review that pauses, an end; 2 KB state, 1 KB payload."""

from __future__ import annotations

from typing import Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

TEXT = "The quick brown fox signs the contract in triplicate. " * 19  # about 1 KB


class State(TypedDict, total=False):
    """About 2 KB of values."""

    client: str
    draft: str
    notes: dict[str, Any]
    decision: Any
    result: str


def draft(state: State) -> State:
    """Write the draft."""
    return {"draft": TEXT, "notes": {"version": 1, "client": state["client"], "terms": TEXT[:900]}}


def review(state: State) -> State:
    """Pause, with a payload of about 1 KB."""
    answer = interrupt(
        {"question": "Sign?", "options": ["approve", "reject"], "draft": state["draft"][:950]}
    )
    return {"decision": answer}


def finalize(state: State) -> State:
    """End."""
    return {"result": f"done: {state['decision']['action']}"}


def builder() -> StateGraph[State]:
    """The graph, not compiled."""
    graph = StateGraph(State)
    for node in (draft, review, finalize):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "review")
    graph.add_edge("review", "finalize")
    return graph


INPUT: State = {"client": "Acme"}
"""What every thread starts with."""
