"""`signoff start --follow`: what happens on a thread, from a worker in another process."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Program, answer, command, worker

GRAPH = """
from typing import Any, TypedDict
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from signoff import ask

class State(TypedDict, total=False):
    amount: int
    draft: str
    paid: bool

def draft(state: State) -> State:
    get_stream_writer()({"progress": "looking up \\x1b[31m the account"})
    return {"draft": f"Pay {state['amount']}"}

def review(state: State) -> State:
    get_stream_writer()("asking")
    decision = ask(f"{state['draft']}?", show={"draft": state["draft"]})
    get_stream_writer()(f"{decision.by} has decided")
    return {"paid": decision.approved}

def book(state: State) -> State:
    if not state["paid"]:
        raise RuntimeError("nothing to book")
    return {}

inner = StateGraph(State)
inner.add_sequence([review, book])
inner.add_edge(START, "review")
builder = StateGraph(State)
builder.add_node("draft", draft)
builder.add_node("approval", inner.compile())
builder.add_edge(START, "draft")
builder.add_edge("draft", "approval")
graph = builder.compile()
"""


@pytest.fixture(scope="module")
def database_url(module_database_url: str) -> str:
    """The database of all tests here."""
    return module_database_url


@pytest.fixture(scope="module")
def payments(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Path]:
    """A project that a worker works for."""
    folder = tmp_path_factory.mktemp("payments")
    (folder / "graph.py").write_text(GRAPH)
    (folder / "signoff.toml").write_text('[graphs]\npay = "./graph.py:graph"\n')
    with worker(project=folder, database_url=database_url) as program:
        program.ready()
        yield folder


def follow(project: Path, database_url: str, thread_id: str, *options: str) -> Program:
    return Program(
        *("start", "pay", "--input", '{"amount": 5}', "--thread", thread_id, "--by", "sales"),
        *("--follow", *options),
        project=project,
        database_url=database_url,
    )


def test_a_thread_is_followed_through_its_pause_to_its_end(payments: Path, database_url: str):
    with follow(payments, database_url, "t") as following:
        typed = following.wait_for(r"signoff (decide \S+ approve .*)").group(1)
        assert "It waits for that" in following.wait_for("Ctrl-C").string
        done = command(
            *shlex.split(typed), "--by", "jane", project=payments, database_url=database_url
        )
        assert done.returncode == 0
        assert following.wait() == 0
        printed = [line.strip() for line in following.output.splitlines() if line.strip()]
    course = [
        "progress: looking up \ufffd[31m the account",
        "draft",
        "draft: Pay 5",
        "approval",
        "asking",
        "Pay 5?",
        "To decide",
        "jane: approve",
        "jane has decided",
        "approval / review",
        "paid: true",
        "approval / book",
        "idle",
    ]
    places = iter(re.sub(r"^status +", "", line) for line in printed)
    missing = [line for line in course if line not in places]
    assert not missing, "\n".join(printed)
    assert "\x1b" not in "".join(printed)


def test_whoever_leaves_leaves_the_thread_as_it_is(payments: Path, database_url: str):
    with follow(payments, database_url, "leave") as following:
        following.wait_for("Ctrl-C")
        assert following.stop(signal.SIGINT) == 0
        assert "Left. It goes on: `signoff threads leave` shows it." in following.output
        assert "Traceback" not in following.output
    thread = answer("threads", "leave", project=payments, database_url=database_url)
    assert thread["status"] == "interrupted"


def test_programs_follow_by_lines_of_json_and_a_failure_by_the_exit_code(
    payments: Path, database_url: str
):
    with follow(payments, database_url, "json", "--json") as following:
        following.wait_for("run_done")
        inbox = answer("inbox", "--thread", "json", project=payments, database_url=database_url)
        [request] = inbox["items"]
        decision = ("decide", request["id"], "reject", "--by", "jane")
        command(*decision, project=payments, database_url=database_url)
        assert following.wait() == 1
        events = [json.loads(line) for line in following.output.splitlines()]
    assert [each["id"] for each in events] == sorted({each["id"] for each in events})
    assert {each["run_id"] for each in events} == {events[0]["run_id"], events[-1]["run_id"]}
    assert events[-2]["event"] == "error"
    assert events[-2]["data"] == {"error": "RuntimeError", "message": "nothing to book"}
