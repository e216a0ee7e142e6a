"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from signoff.policies.reading import load
from tests.conftest import OpenDesk

README = Path(__file__).parent.parent / "README.md"


def shown(language: str) -> list[str]:
    """The code of that language in the README."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def first_graph(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The first graph, as a module."""
    module = ModuleType("readme_graph")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(shown("python")[0], str(README), "exec"), module.__dict__)
    return module.graph  # type: ignore[attr-defined]


def test_the_first_graph_runs_under_plain_langgraph(first_graph: Any) -> None:
    compiled = first_graph.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "p1"}}
    assert "__interrupt__" in compiled.invoke({"amount": 40}, config)
    state = compiled.invoke(Command(resume={"action": "approve"}), config)
    assert state["paid"].startswith("paid under ")


async def test_the_first_graph_is_decided_as_the_readme_does_it(
    first_graph: Any, open_desk: OpenDesk
) -> None:
    desk = await open_desk({"payments": first_graph})
    run = await desk.start("payments", {"amount": 40}, by="sales@firm.com")
    await desk.wait(run.thread_id)
    [request] = (await desk.requests(thread_id=run.thread_id)).items
    await desk.decide(request.id, "approve", by="jane@firm.com")
    assert (await desk.wait(run.thread_id)).values["paid"].startswith("paid under ")


def test_the_policies_are_in_order() -> None:
    [text] = shown("toml")
    book = load(text, path=Path("signoff.toml"))
    assert book.rules[0].policy.to == ("group:finance",)
