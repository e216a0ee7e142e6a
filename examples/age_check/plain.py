"""The loop as LangGraph's own documentation has it: bare interrupts, and no line of Signoff."""

from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    """The age, once it is known."""

    age: int


def ask_age(state: State) -> State:
    """Ask until the answer is an age. The node runs again from its top for each answer."""
    question = "What is your age?"
    while True:
        answer = interrupt(question)
        if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer <= 130:
            return {"age": answer}
        question = f"{answer!r} is not a valid age. What is your age?"


builder = StateGraph(State)
builder.add_node(ask_age)
builder.add_edge(START, "ask_age")

graph = builder.compile()
