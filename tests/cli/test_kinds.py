"""Kinds of pauses on the command line: shown so that a person understands, decided by typing."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Begin, Cli

GRAPH = '''
from datetime import date
from typing import Any, TypedDict
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel

class State(TypedDict, total=False):
    amount: int
    kind: str
    got: Any

class Terms(BaseModel):
    """What is agreed on."""
    days: int
    until: date | None = None

def ask(state: State) -> State:
    call = {"action": "send", "args": {"to": "it's", "n": 1}}
    config = {"allow_accept": True, "allow_edit": True, "allow_respond": True}
    if state["kind"] == "inbox":
        asked = {"action_request": call, "config": config, "description": "Send it?"}
        return {"got": interrupt([asked])}
    if state["kind"] == "form":
        terms = interrupt({"question": "Which terms?", "for": "ACME"}, response_schema=Terms)
        return {"got": terms.model_dump(mode="json")}
    calls = [{"name": f"tool{n}", "args": {"n": n}, "description": f"Call {n}"} for n in range(3)]
    names = ["approve", "edit", "reject", "respond"]
    review = [{"action_name": f"tool{n}", "allowed_decisions": names[: n + 2]} for n in range(3)]
    return {"got": interrupt({"action_requests": calls, "review_configs": review})}

builder = StateGraph(State)
builder.add_node("ask", ask)
builder.add_edge(START, "ask")
graph = builder.compile()
'''


@pytest.fixture
def project(project: Path) -> Path:
    """The project, with a graph that pauses in the way that its input names."""
    (project / "graph.py").write_text(GRAPH)
    return project


@pytest.fixture
def got(signoff: Cli, work: Any) -> Any:
    def got() -> Any:
        work()
        thread = signoff("threads", "t1", "--json").json
        assert thread["status"] == "idle", thread
        return thread["values"]["got"]

    return got


def line(shown: str, action: str) -> list[str]:
    """The arguments of the command line that is shown for an action."""
    [found] = [each for each in shown.splitlines() if f" {action} " in each and "--digest" in each]
    return shlex.split(found)[1:]


def test_a_batch_is_decided_item_by_item_by_typing(signoff: Cli, begin: Begin, got: Any):
    request_id = begin(kind="batch")
    shown = signoff("show", request_id).out
    for text in (
        "3 tool calls: tool0, tool1, tool2",
        "2. tool1\n  Call 1\n  n: 1\n",
        "      1. tool0(n=0): approve, edit\n",
        "      3. tool2(n=2): approve, edit, reject, respond\n",
    ):
        assert text in shown
    begun = line(shown, "submit")
    assert begun[3:9] == ["--item", "approve"] * 3

    for wrong, code in [
        (["approve"], 1),
        (["reject", "approve", "approve"], 1),
        (["approve", "approve", "respond"], 1),
        (["approve=yes", "approve", "approve"], 2),
        (["edit=n", "approve", "approve"], 2),
        (["edit=3", "approve", "approve"], 2),
    ]:
        items = [word for each in wrong for word in ("--item", each)]
        assert signoff("decide", request_id, "submit", *items).code == code
    refused = signoff("decide", request_id, "submit", "--item", "approve", "--json")
    assert json.loads(refused.err)["errors"][0]["pointer"] == "/values/decisions"
    both = signoff("decide", request_id, "submit", "--item", "approve", "--values", "{}")
    assert both.code == 2

    typed = ['edit={"n": 7, "x": 1.0}', "approve", "respond=no = no"]
    items = [word for each in typed for word in ("--item", each)]
    assert signoff("decide", request_id, "submit", *items).code == 0
    assert got() == {
        "decisions": [
            {"type": "edit", "edited_action": {"name": "tool0", "args": {"n": 7, "x": 1.0}}},
            {"type": "approve"},
            {"type": "respond", "message": "no = no"},
        ]
    }


def test_a_batch_can_be_approved_by_the_line_that_is_shown(signoff: Cli, begin: Begin, got: Any):
    shown = signoff("show", begin(kind="batch")).out
    assert signoff(*line(shown, "submit")).code == 0
    assert got() == {"decisions": [{"type": "approve"}] * 3}


def test_the_line_of_an_edit_has_the_arguments_to_begin_with(signoff: Cli, begin: Begin, got: Any):
    shown = signoff("show", begin(kind="inbox")).out
    assert "Shown\n  Send it?\n\nsend\n  to: it's\n  n: 1\n" in shown
    assert signoff(*line(shown, "edit")).code == 0
    assert got() == [{"type": "edit", "args": {"action": "send", "args": {"to": "it's", "n": 1}}}]


def test_a_form_is_shown_with_its_fields(signoff: Cli, begin: Begin, got: Any):
    request_id = begin(kind="form")
    shown = signoff("show", request_id).out
    for text in ("Which terms?", "for: ACME", "days: integer (Days)", "until: string or null"):
        assert text in shown
    refused = signoff("decide", request_id, "respond", "--values", '{"days": "x"}', "--json")
    assert json.loads(refused.err)["errors"] == [
        {"pointer": "/values/days", "message": "must be an integer"}
    ]
    signoff("decide", request_id, "respond", "--values", '{"days": 3, "until": "2026-03-02"}')
    assert got() == {"days": 3, "until": "2026-03-02"}
