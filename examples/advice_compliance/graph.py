"""Investment advice that a model writes, and that goes out only as far as the rules allow.

Harmless answers are sent at once. The others stop before `officer_review`, which asks nobody: it
acts on what the compliance officer has put into the state while the thread stood there.
"""

from typing import Any, Literal, NotRequired, TypedDict

from adviser import chat_model
from langgraph.graph import END, START, StateGraph
from outbox import send_mail
from rules import problems

from signoff import once


class Inquiry(TypedDict):
    """What a run starts with."""

    client: str
    question: str


class State(Inquiry):
    """The answer on its way. What the officer says is `verdict`, `edited_answer` and `reason`."""

    draft: NotRequired[str]
    problems: list[str]
    verdict: NotRequired[Literal["approve", "reject"]]
    edited_answer: NotRequired[str]
    reason: NotRequired[str]
    forced: NotRequired[bool]
    answer: str
    status: Literal["drafted", "paused", "cleared", "approved", "edited", "rejected", "forced"]
    mail: dict[str, Any]


SAFE = (
    "Thank you for your question. It deserves a conversation: one of our advisers will call you "
    "within one working day."
)
"""What a client gets whose answer nobody has released."""


def draft(state: State) -> dict[str, Any]:
    """Have the model answer the client."""
    prompt = f"You are an investment adviser. Answer in three sentences: {state['question']}"
    return {"draft": chat_model().invoke(prompt).text.strip(), "status": "drafted"}


def compliance(state: State) -> dict[str, Any]:
    """Hold the draft against the rules; the same draft always gets the same answer."""
    found = problems(state["draft"])
    if found:
        return {"problems": found, "status": "paused"}
    return {"problems": [], "status": "cleared", "answer": state["draft"]}


def route(state: State) -> Literal["officer_review", "send"]:
    """A person looks at it only if a rule speaks against it."""
    return "officer_review" if state["problems"] else "send"


def officer_review(state: State) -> dict[str, Any]:
    """Act on what the officer has said. What nobody stands for does not go out."""
    if state.get("forced"):
        return {"answer": SAFE, "status": "forced"}
    if state.get("verdict") == "reject":
        return {"answer": SAFE, "status": "rejected"}
    if edited := state.get("edited_answer"):
        return {"answer": edited, "status": "edited"}
    return {"answer": state["draft"], "status": "approved"}


def send(state: State) -> dict[str, Any]:
    """Send the answer, once, whatever crashes and runs again."""
    return {"mail": once("send", lambda key: send_mail(state["client"], state["answer"], key))}


builder = StateGraph(State, input_schema=Inquiry)
for node in (draft, compliance, officer_review, send):
    builder.add_node(node)
builder.add_edge(START, "draft")
builder.add_edge("draft", "compliance")
builder.add_conditional_edges("compliance", route)
builder.add_edge("officer_review", "send")
builder.add_edge("send", END)

graph = builder.compile(interrupt_before=["officer_review"])
