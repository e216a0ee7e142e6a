"""Graphs where LangGraph reads back only the types that it knows (`LANGGRAPH_STRICT_MSGPACK`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, dataclasses, sys
from pathlib import Path
from typing import Any, TypedDict
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from signoff import Decision, Signoff, ask
from signoff.config import Settings

@dataclasses.dataclass
class Terms:
    days: int

class State(TypedDict, total=False):
    terms: Terms
    review: Decision
    seen: list[str]

def draft(state):
    return {"terms": Terms(3)}

def review(state):
    return {"review": ask("Fine?"), "seen": [type(state["terms"]).__name__]}

def check(state):
    review = state["review"]
    kept = type(review).__name__, type(review.votes[0]).__name__, interrupt("Why?")
    return {"seen": [*state["seen"], *kept]}

builder = StateGraph(State)
for node, before in ((draft, START), (review, "draft"), (check, "review")):
    builder.add_node(node.__name__, node)
    builder.add_edge(before, node.__name__)

@task
def reviewed():
    return ask("Fine?")

@entrypoint()
def function(given: int) -> Any:
    decision = reviewed().result()
    return {"seen": [decision.by, interrupt("Why?")]}

async def main(url):
    graphs = {"builder": builder, "compiled": builder.compile(), "function": function}
    settings = Settings(data_dir=Path(".signoff"))
    for name in graphs:
        async with Signoff(url, graphs, settings) as desk:
            await desk.start(name, {} if name != "function" else 1, by="sales", thread_id=name)
            await desk.wait(name)
        for action, values in (("approve", {}), ("respond", {"value": "so"})):
            # A desk that remembers nothing: all is read back.
            async with Signoff(url, graphs, settings) as desk:
                [request] = (await desk.requests(thread_id=name, state="open")).items
                await desk.decide(request.id, action, values=values, by="jane")
                thread = await desk.wait(name)
        print(name, *(thread.values or {"seen": [thread.error]})["seen"])

asyncio.run(main(sys.argv[1]))
"""


def test_what_a_node_keeps_is_read_back_as_what_it_was(database_url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, database_url],
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "builder Terms Decision Vote so",
        "compiled Terms Decision Vote so",
        "function jane so",
    ]
