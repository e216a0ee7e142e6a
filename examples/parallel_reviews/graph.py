"""A report whose sections are reviewed at the same time, each by its own people.

`Send` starts a branch for each section. An answer reaches its branch as soon as it is there; the
others wait on. Only the sections that need it are worked over, and reviewed again.
"""

import operator
import os
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from signoff import Action, ask, once


class Section(TypedDict):
    """A part of the report, and who reviews it."""

    text: str
    reviewer: str


class Report(TypedDict):
    """What a run starts with: the sections by their titles."""

    sections: dict[str, Section]


class Review(TypedDict):
    """What was said of a section."""

    section: str
    round: int
    action: str
    by: str | None
    note: str | None


class State(Report):
    """The report, and its reviews in whatever order they came."""

    round: NotRequired[int]
    reviews: Annotated[list[Review], operator.add]
    status: str


class Branch(TypedDict):
    """What a branch is given."""

    title: str
    section: Section
    round: int


def this_round(state: State) -> int:
    """Which round of reviews it is, from 1."""
    return state.get("round", 1)


def hand_out(state: State) -> list[Send]:
    """A branch for each section; from the second round on for those that were worked over."""
    last = this_round(state) - 1
    reviewed = {r["section"] for r in state.get("reviews", []) if r["round"] == last}
    changed = {r["section"] for r in to_work_over(state, last)}
    return [
        Send("review", Branch(title=title, section=section, round=last + 1))
        for title, section in state["sections"].items()
        if not reviewed or title in changed
    ]


def to_work_over(state: State, round_: int) -> list[Review]:
    """The reviews of a round that ask for changes."""
    reviews = state.get("reviews", [])
    return [r for r in reviews if r["round"] == round_ and r["action"] == "request_changes"]


def invite(reviewer: str, section: str) -> None:
    """Tell a reviewer of a section: a line in `invitations.txt`."""
    folder = os.environ.get("SIGNOFF_EXAMPLE_FOLDER") or Path(__file__).parent
    with (Path(folder) / "invitations.txt").open("a", encoding="utf-8") as file:
        file.write(f"{reviewer}: {section}\n")


def review(branch: Branch) -> dict[str, list[Review]]:
    """Ask the reviewer of this section. The branches that still wait run again with each answer
    of another one, from their top: what happens before `ask()` is under `once()`."""
    title, round_ = branch["title"], branch["round"]
    reviewer = branch["section"]["reviewer"]
    once(f"invite:{title}:{round_}", lambda: invite(reviewer, f"{title}, round {round_}"))
    decision = ask(
        f"{title}, round {round_}",
        show={"text": branch["section"]["text"]},
        actions=["approve", Action("request_changes", note="required")],
        topic="section_review",
        to=reviewer,
    )
    said = Review(
        section=title, round=round_, action=decision.action, by=decision.by, note=decision.note
    )
    return {"reviews": [said]}


def collect(state: State) -> dict[str, Any]:
    """Runs once all branches of a round have their answer."""
    asked = to_work_over(state, this_round(state))
    if not asked:
        return {"status": "approved"}
    sections = dict(state["sections"])
    for each in asked:
        old = sections[each["section"]]
        sections[each["section"]] = {**old, "text": f"{old['text']} (Revised: {each['note']})"}
    return {"sections": sections, "round": this_round(state) + 1, "status": "in_review"}


def onwards(state: State) -> list[Send] | str:
    """Another round, or the end."""
    return END if state["status"] == "approved" else hand_out(state)


builder = StateGraph(State, input_schema=Report)
builder.add_node(review)
builder.add_node(collect)
builder.add_conditional_edges(START, hand_out, ["review"])
builder.add_edge("review", "collect")
builder.add_conditional_edges("collect", onwards, ["review", END])

graph = builder.compile()
