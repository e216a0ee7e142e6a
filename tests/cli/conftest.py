"""A small project, the command line in it, and a request that waits."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from signoff import Signoff
from signoff.cli import logs, main
from signoff.config import Settings, load
from signoff.graph import loading

GRAPH = '''
"""Pays what was approved; who approves may say less."""
from typing import Any, TypedDict
from langgraph.graph import START, StateGraph
from signoff import Action, ask

AMOUNT = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "minimum": 1, "description": "what to pay"}},
    "required": ["amount"],
}

class State(TypedDict, total=False):
    amount: int
    title: str
    paid: Any
    by: str | None

def review(state: State) -> State:
    review = ask(
        state.get("title", f"Pay {state['amount']}?"),
        show={"amount": state["amount"], "why": "an invoice"},
        actions=["approve", Action("change", reply=AMOUNT, note="required"), "reject"],
        topic="payment",
    )
    if review.action == "reject":
        raise RuntimeError("the bank says no")
    return {"paid": review.values.get("amount", state["amount"]), "by": review.by}

builder = StateGraph(State)
builder.add_node("review", review)
builder.add_edge(START, "review")
graph = builder.compile()
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of a project with one graph, `payment`."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "graph.py").write_text(GRAPH)
    (folder / "langgraph.json").write_text(json.dumps({"graphs": {"payment": "./graph.py:graph"}}))
    return folder


@dataclass(frozen=True)
class Result:
    """What a command ended with and printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What a command that succeeded printed as JSON."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Cli = Callable[..., Result]


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line, in this process and without a setting in its environment."""
    others = {name: os.environ[name] for name in os.environ if not name.startswith("SIGNOFF_")}
    monkeypatch.setattr(os, "environ", others | {"COLUMNS": "160"})
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    structlog.reset_defaults()  # `capture_logs` of a test before leaves it set up

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(arguments)
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def signoff(
    anywhere: Cli, project: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    """The command line in the project, on a database of its own."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("SIGNOFF_DATABASE_URL", database_url)
    return anywhere


Begin = Callable[..., str]


@pytest.fixture
def work(project: Path, database_url: str) -> Callable[[], None]:
    """Works off all that waits to be executed, as a worker would."""

    async def until_done() -> None:
        settings = Settings(shutdown_grace="5s", database_url=database_url)
        graphs = loading.load(project, load(project).graphs)
        async with Signoff(database_url, graphs, settings) as desk:
            async with desk.office.database.connection() as conn:
                rows = await (await conn.execute("SELECT id FROM threads")).fetchall()
            for row in rows:
                await desk.wait(row["id"], timeout=20)

    def work() -> None:
        sys.modules.pop("graph", None)
        asyncio.run(until_done())

    return work


@pytest.fixture
def begin(signoff: Cli, work: Callable[[], None]) -> Begin:
    """Has a thread wait for a decision; the id of its request."""

    def begin(thread_id: str = "t1", **state: Any) -> str:
        given = json.dumps({"amount": 300, **state})
        assert signoff("start", "payment", "--input", given, "--thread", thread_id).code == 0
        work()
        [request] = signoff("inbox", "--thread", thread_id, "--json").json["items"]
        found: str = request["id"]
        return found

    return begin
