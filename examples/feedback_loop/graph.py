"""A post that a model writes and rewrites until its author says yes or no."""

import operator
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from model import chat_model

from signoff import Action, ask


class Topic(TypedDict):
    """What a run starts with."""

    topic: str


class State(Topic):
    """The post, and all feedback on it so far."""

    post: str
    feedback: Annotated[list[str], operator.add]
    status: Literal["published", "discarded"]


def write(state: State) -> dict[str, str]:
    """Write the post, with all feedback worked in."""
    notes = state.get("feedback", [])
    said = [HumanMessage(state["topic"]), *(HumanMessage(note) for note in notes)]
    prompt = SystemMessage("Write a post of three sentences, and heed all feedback on it.")
    return {"post": chat_model().invoke([prompt, *said]).text}


def review(state: State) -> Command[Literal["write", "__end__"]]:
    """Ask; feedback leads back to the writing."""
    decision = ask(
        f"Publish the post about {state['topic'][:100]}?",
        show={"post": state["post"], "feedback": state.get("feedback", [])},
        actions=[
            Action("yes", style="primary"),
            Action("feedback", note="required"),
            Action("no", style="danger"),
        ],
        topic="feedback_loop",
    )
    if decision.action == "feedback":
        return Command(goto="write", update={"feedback": [decision.note]})
    end: dict[str, Any] = {"status": "published" if decision.action == "yes" else "discarded"}
    return Command(goto=END, update=end)


builder = StateGraph(State, input_schema=Topic)
builder.add_node(write)
builder.add_node(review)
builder.add_edge(START, "write")
builder.add_edge("write", "review")

graph = builder.compile()
