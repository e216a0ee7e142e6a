"""The workflow that the dashboard is for: an order that somebody has to approve."""

from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph

from signoff import ask, once


class Order(TypedDict):
    """What a workflow starts with."""

    item: str
    amount: int


class State(Order):
    """The order, and what became of it."""

    status: Literal["ordered", "rejected"]
    approval: dict[str, Any]


def approval(state: State) -> dict[str, Any]:
    """Ask whether to order it."""
    decision = ask(
        f"Order {state['item']} for {state['amount']} EUR?",
        show={"item": state["item"], "amount": state["amount"]},
        topic="order",
        within="3d",
        otherwise={"action": "reject", "note": "Nobody approved it in three days."},
    )
    said = {"action": decision.action, "by": decision.by, "comment": decision.note}
    return {"approval": said, "status": "ordered" if decision.approved else "rejected"}


def order(state: State) -> dict[str, Any]:
    """Place the order, once."""
    number = once("order", lambda key: f"PO-{key[:8].upper()}")
    return {"approval": {**state["approval"], "order": number}}


builder = StateGraph(State, input_schema=Order)
builder.add_node(approval)
builder.add_node(order)
builder.add_edge(START, "approval")
builder.add_conditional_edges(
    "approval", lambda state: "order" if state["status"] == "ordered" else END, ["order", END]
)
builder.add_edge("order", END)

graph = builder.compile()
