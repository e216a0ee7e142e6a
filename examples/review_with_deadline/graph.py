"""A review that does not wait for ever: a senior manager joins in, then the clock says no."""

from typing import Any, Literal, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from signoff import ask


class Submission(TypedDict):
    """What a run starts with; the durations as policies have them, such as 90m or 2d."""

    document: str
    within: NotRequired[str]
    escalate_after: NotRequired[str]


class State(Submission):
    """The document, and how its review went."""

    review: dict[str, Any]
    status: Literal["approved", "rejected", "expired"]


def review(state: State) -> Command[Literal["approved", "rejected", "expired"]]:
    """Ask the reviewers; later their senior manager too; at the deadline it is rejected."""
    decision = ask(
        f"Review: {state['document'][:80]}",
        show={"document": state["document"]},
        actions=["approve", "reject"],
        topic="review",
        to="group:reviewers",
        within=state.get("within", "48h"),
        escalate={"after": state.get("escalate_after", "24h"), "to": "group:senior-managers"},
        otherwise={"action": "reject", "note": "Nobody answered in time."},
    )
    seen = {
        "action": decision.action,
        "by": decision.by,
        "note": decision.note,
        "escalated": decision.escalated,
        "seconds": decision.waited.total_seconds() if decision.waited is not None else None,
    }
    if decision.timed_out:
        return Command(goto="expired", update={"review": seen})
    return Command(goto="approved" if decision.approved else "rejected", update={"review": seen})


def approved(state: State) -> dict[str, str]:
    """A person said yes."""
    return {"status": "approved"}


def rejected(state: State) -> dict[str, str]:
    """A person said no."""
    return {"status": "rejected"}


def expired(state: State) -> dict[str, str]:
    """The clock said no: here one would tell the author that they may try again."""
    return {"status": "expired"}


builder = StateGraph(State, input_schema=Submission)
builder.add_node(review)
builder.add_edge(START, "review")
for end in (approved, rejected, expired):
    builder.add_node(end)
    builder.add_edge(end.__name__, END)

graph = builder.compile()
