"""How soon a decision is felt: from the moment it is made to the moment the node goes on.

    python -m bench wake_up [--decisions 200] [--concurrency 1 16]

One server and one worker process. The node goes on in the worker, was decided through the server;
both read the same machine's clock. Included are the decision's own commit, the word to the worker,
the fetch of the job, the lease, and loading the checkpoint.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import uuid
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from langgraph.graph import START, StateGraph

from bench.http import Connection
from bench.processes import SIGNOFF, address, database, environment, migrate, project, running
from signoff import ask
from signoff.db import embedded


class State(TypedDict, total=False):
    """When the decision was made, and when the node went on, in seconds since the epoch."""

    decided_at: float
    resumed_at: float


def wait_for_it(_state: State) -> State:
    """Ask, and note the time."""
    decision = ask("Go on?", actions=["go"])
    resumed_at = time.time()
    assert isinstance(decision.at, datetime)
    return {"decided_at": decision.at.timestamp(), "resumed_at": resumed_at}


builder = StateGraph(State)
builder.add_node("wait_for_it", wait_for_it)
builder.add_edge(START, "wait_for_it")


async def measure(where: str, concurrency: int, decisions: int) -> list[float]:
    """Milliseconds from each decision to its node."""
    host, _, port = where.rpartition(":")
    waited: list[float] = []

    async def work() -> None:
        connection = await Connection(host, int(port)).open()
        for _ in range(decisions // concurrency):
            path = f"/threads/{uuid.uuid4()}/runs/wait"
            run = {"assistant_id": "wake_up", "input": {}, "if_not_exists": "create"}
            [interrupt] = (await connection.post(path, run))["__interrupt__"]
            resume = {"resume": {interrupt["id"]: {"action": "go"}}}
            state = await connection.post(path, {"assistant_id": "wake_up", "command": resume})
            waited.append((state["resumed_at"] - state["decided_at"]) * 1000)
        connection.close()

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return sorted(waited)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=320)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 16])
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signoff-bench-")))
        started = stack.enter_context(embedded.start(folder / "data"))
        url = database(started.url, "wake_up")
        migrate(url)
        cwd = project(folder / "project", {"wake_up": "bench.wake_up:builder"})
        env = environment(url)
        serving = running([*SIGNOFF, "serve", "--port", "0"], env, cwd, "ready at")
        _, line = stack.enter_context(serving)
        stack.enter_context(running([*SIGNOFF, "worker"], env, cwd, "ready"))
        asyncio.run(measure(address(line), 4, 40))  # warm up
        print("decision to node, ms      p50     p95     p99     max")
        for concurrency in options.concurrency:
            waited = asyncio.run(measure(address(line), concurrency, options.decisions))
            marks = [waited[len(waited) * percent // 100] for percent in (50, 95, 99)]
            figures = " ".join(f"{each:7.1f}" for each in (*marks, waited[-1]))
            print(f"at concurrency {concurrency:>3}    {figures}   (p99 to reach: 50)")


if __name__ == "__main__":
    main()
