"""What `import signoff` brings along."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import signoff
import signoff.cli

COSTLY = ["fastapi", "psycopg", "procrastinate", "uvicorn", "jinja2", "starlette", "pgserver"]
SLOW = ["langgraph", "langchain_core", "pydantic"]


def modules_after(program: str) -> set[str]:
    """The modules that a fresh process has after this program."""
    printing = "import sys, json; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-c", f"{program}\n{printing}"], capture_output=True, text=True, check=True
    ).stdout
    return set(json.loads(output))


def test_importing_signoff_loads_no_server_and_not_even_langgraph():
    loaded = modules_after("from signoff import ask, once, Action, Decision")
    assert "signoff.ask" in loaded
    assert not loaded & {*COSTLY, *SLOW}


def test_asking_in_a_graph_loads_no_server():
    loaded = modules_after(
        """
from typing import TypedDict
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from signoff import ask, once
builder = StateGraph(TypedDict("State", {"a": int}))
builder.add_node("node", lambda state: {"a": once("a", lambda: 1) + ask("?").approved})
builder.add_edge(START, "node")
graph = builder.compile(checkpointer=InMemorySaver())
assert graph.invoke({"a": 0}, {"configurable": {"thread_id": "1"}})["__interrupt__"]
"""
    )
    assert "langgraph.graph" in loaded
    assert not loaded & set(COSTLY)


def test_ask_and_once_stay_functions_whatever_is_imported():
    modules_after(
        """
import signoff.ask, signoff.once
from signoff.ask import Values
from signoff import ask, once
assert callable(ask) and callable(once) and signoff.ask is ask and signoff.once is once
"""
    )


def test_the_public_names_are_there():
    assert {"Action", "Decision", "Signoff", "ask", "once"} <= set(signoff.__all__)
    for name in set(signoff.__all__) - {"Signoff"}:
        assert getattr(signoff, name) is not None
    assert signoff.__version__[0].isdigit()
    assert issubclass(signoff.errors.InvalidQuestion, signoff.SignoffError)
    assert not hasattr(signoff, "nothing")


def test_commands_on_data_load_neither_a_server_nor_langgraph():
    """All modules of the command line but those that run a process or make the tables."""
    running = {"dev_process", "http_server", "migrate", "process", "serve", "worker"}
    found = pkgutil.walk_packages(signoff.cli.__path__, "signoff.cli.")
    names = {each.name for each in found} - {f"signoff.cli.{each}" for each in running}
    loaded = modules_after(f"import {', '.join(names - {'signoff.cli.__main__'})}")
    assert {"signoff.cli.inbox", "signoff.cli.policy.check", "signoff.front_desk"} <= loaded
    assert not loaded & {"fastapi", "starlette", "uvicorn", "langgraph", "langchain_core"}


def test_the_library_loads_no_web_framework_until_it_serves():
    loaded = modules_after("from signoff import Signoff")
    assert "langgraph.graph" in loaded
    assert not loaded & {"fastapi", "starlette", "uvicorn", "jinja2"}


def test_a_worker_loads_no_framework_for_an_api_that_it_does_not_serve():
    assert "fastapi" not in modules_after("import signoff.cli.worker")
