"""Asks for an age until the answer makes sense.

What a schema can say is checked before an answer is taken: the person sees what is wrong, and the
graph never hears of it. What only the graph can know is checked here, and asked again.
"""

from datetime import date
from typing import Any, Literal, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from pydantic import BaseModel, Field

from signoff import Action, ask


class Applicant(TypedDict):
    """What a run starts with; `today` is for tests."""

    name: str
    today: NotRequired[str]


class State(Applicant):
    """The applicant, what was wrong with the last answer, and the age once it is known."""

    problem: NotRequired[str]
    tries: NotRequired[int]
    age: int


class Answer(BaseModel):
    """The form."""

    age: int = Field(ge=0, le=130, description="In years")
    born_in: int = Field(ge=1890, description="The year of birth")


def ask_age(state: State) -> Command[Literal["ask_age", "__end__"]]:
    """One question for each run of the node, so that each has its own request and audit."""
    answer = ask(
        f"How old is {state['name']}?",
        show={"problem": state.get("problem")},
        actions=[Action("answer", reply=Answer, style="primary")],
        topic="age",
    ).values
    this_year = date.fromisoformat(state.get("today") or date.today().isoformat()).year
    tries = state.get("tries", 0) + 1
    if this_year - answer.born_in - answer.age not in (0, 1):
        problem = f"Who was born in {answer.born_in} is not {answer.age}. Please look again."
        return Command(goto="ask_age", update={"problem": problem, "tries": tries})
    found: dict[str, Any] = {"age": answer.age, "tries": tries}
    return Command(goto=END, update=found)


builder = StateGraph(State, input_schema=Applicant)
builder.add_node(ask_age)
builder.add_edge(START, "ask_age")

graph = builder.compile()
