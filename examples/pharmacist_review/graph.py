"""An order at a pharmacy: read, checked, looked at by a pharmacist, and only then dispensed.

The graph stops after `assess`. Its edges out of there ask the state what the pharmacist has said:
they were followed once before anybody had, and are followed again with what was put in.
"""

import operator
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from dispensary import dispense_pack
from formulary import Flag, flags_of
from langgraph.graph import END, START, StateGraph
from reading import read_prescription

from signoff import once


class Order(TypedDict):
    """What a run starts with."""

    patient: str
    prescription: str
    takes: list[str]
    allergies: list[str]
    egfr: int


class Entry(TypedDict):
    """A line of the order's log."""

    event: str
    by: str
    note: NotRequired[str]
    at: NotRequired[datetime]


class State(Order):
    """The order on its way. What the pharmacist says is `decision`, and a new dose or interval."""

    drug: NotRequired[str]
    dose_mg: NotRequired[int]
    every_hours: NotRequired[int]
    flags: list[Flag]
    version: NotRequired[int]
    decision: NotRequired[Literal["approve", "revise", "reject"] | None]
    log: Annotated[list[Entry], operator.add]
    status: Literal["review", "dispensed", "rejected"]
    pack: dict[str, Any]


def read(state: State) -> dict[str, Any]:
    """Make fields of the prescription's text."""
    return {**read_prescription(state["prescription"]), "version": 1, "log": [said("read")]}


def assess(state: State) -> dict[str, Any]:
    """Look for risks. Whatever was decided was about another version, so it holds no more."""
    flags = flags_of(
        state["drug"],
        state["dose_mg"] * 24 // state["every_hours"],
        takes=state["takes"],
        allergies=state["allergies"],
        egfr=state["egfr"],
    )
    event = f"assessed v{state['version']}: {len(flags)} flags"
    return {"flags": flags, "decision": None, "status": "review", "log": [said(event)]}


def route(state: State) -> Literal["dispense", "revise", "reject", "assess"]:
    """Where the pharmacist sends it; while nothing is decided, it is asked again."""
    return state.get("decision") or "assess"  # type: ignore[return-value]


def revise(state: State) -> dict[str, Any]:
    """Begin a new version, with what the pharmacist has changed; it is assessed like the first."""
    version = state["version"] + 1
    text = f"v{version}: {state['dose_mg']} mg every {state['every_hours']} h"
    return {"version": version, "log": [said(text)]}


def dispense(state: State) -> dict[str, Any]:
    """Hand the pack out, once, whatever crashes and runs again."""
    label = f"{state['drug']} {state['dose_mg']} mg every {state['every_hours']} h"
    pack = once("dispense", lambda key: dispense_pack(state["patient"], label, key))
    return {"pack": pack, "status": "dispensed", "log": [said("dispensed")]}


def reject(state: State) -> dict[str, Any]:
    """The end of it: the prescriber is asked for another one."""
    return {"status": "rejected", "log": [said("rejected")]}


def said(event: str) -> Entry:
    """A line of the log by the graph itself."""
    return Entry(event=event, by="system")


builder = StateGraph(State, input_schema=Order)
for node in (read, assess, revise, dispense, reject):
    builder.add_node(node)
builder.add_edge(START, "read")
builder.add_edge("read", "assess")
builder.add_conditional_edges(
    "assess",
    route,
    {"approve": "dispense", "revise": "revise", "reject": "reject", "assess": "assess"},
)
builder.add_edge("revise", "assess")
builder.add_edge("dispense", END)
builder.add_edge("reject", END)

graph = builder.compile(interrupt_after=["assess"])
