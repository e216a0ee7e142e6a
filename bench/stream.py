"""What streaming costs an event: through a worker, PostgreSQL and a server, and within one process.

    python -m bench stream [--streams 64] [--events 200] [--every 100]

Each run writes its events at that pace, in milliseconds, each with its time in it; a client reads
all runs at once. Whoever reads notes how late an event is, by the same machine's clock. The same
graph streamed by LangGraph's own `astream` in the client's process is what it is held against.
Exits with 1 if an event is missing, doubled or out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import orjson
import uvloop
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph

from bench.http import Connection
from bench.main_job import cpu_of, cpu_of_postgres
from bench.processes import SIGNOFF, address, database, environment, migrate, project, running
from signoff.db import embedded


class State(TypedDict, total=False):
    """How many events to write, and how many milliseconds to wait before each."""

    events: int
    every: int


async def write(state: State) -> State:
    """Write events, each with its number and its time."""
    tell = get_stream_writer()
    for number in range(state["events"]):
        await asyncio.sleep(state["every"] / 1000)
        tell({"number": number, "text": "a token or two", "at": time.time()})
    return {}


builder = StateGraph(State)
builder.add_node("write", write)
builder.add_edge(START, "write")


@dataclass(frozen=True, slots=True)
class Read:
    """What one reader has seen: the numbers in their order, and how late each was, in seconds."""

    numbers: list[int]
    late: list[float]

    def note(self, event: State) -> None:
        """One event that has come."""
        self.late.append(time.time() - event["at"])  # type: ignore[typeddict-item]
        self.numbers.append(event["number"])  # type: ignore[typeddict-item]


async def within_one_process(given: State) -> Read:
    """LangGraph's own stream."""
    read = Read([], [])
    async for event in builder.compile().astream(given, stream_mode="custom"):
        read.note(event)
    return read


async def through_signoff(where: str, given: State) -> Read:
    """The stream of a new run, from the server."""
    read = Read([], [])
    host, _, port = where.rpartition(":")
    connection = await Connection(host, int(port)).open()
    run = {"assistant_id": "stream", "input": given, "if_not_exists": "create"}
    path = f"/threads/{uuid.uuid4()}/runs/stream"
    async for event, data in connection.events(path, {**run, "stream_mode": "custom"}):
        if event == "custom":
            read.note(orjson.loads(data))
    connection.close()
    return read


async def measure(
    streams: int, given: State, one: Callable[[State], Awaitable[Read]]
) -> tuple[list[float], bool]:
    """How late each event was, in milliseconds, sorted; whether all came in order."""
    read = await asyncio.gather(*(one(given) for _ in range(streams)))
    whole = all(each.numbers == list(range(given["events"])) for each in read)
    return sorted(late * 1000 for each in read for late in each.late), whole


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--every", type=int, default=100, help="milliseconds between two events")
    options = parser.parse_args()
    given: State = {"events": options.events, "every": options.every}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signoff-bench-")))
        started = stack.enter_context(embedded.start(folder / "data"))
        url = database(started.url, "stream")
        migrate(url)
        cwd = project(folder / "project", {"stream": "bench.stream:builder"})
        env = environment(url)
        serving = running([*SIGNOFF, "serve", "--port", "0"], env, cwd, "ready at")
        server, line = stack.enter_context(serving)
        worker, _ = stack.enter_context(running([*SIGNOFF, "worker"], env, cwd, "ready"))
        where = address(line)

        async def signoff(each: State) -> Read:
            return await through_signoff(where, each)

        warm: State = {"events": 20, "every": 10}
        for contender in (within_one_process, signoff):
            uvloop.run(measure(16, warm, contender))
        plain, _ = uvloop.run(measure(options.streams, given, within_one_process))
        before, began = (cpu_of(server), cpu_of(worker), cpu_of_postgres()), time.perf_counter()
        late, whole = uvloop.run(measure(options.streams, given, signoff))
        seconds = time.perf_counter() - began
        after = (cpu_of(server), cpu_of(worker), cpu_of_postgres())
    print(f"{options.streams} streams of {options.events} events, one each {options.every} ms")
    print(f"{len(late)} came in {seconds:.1f} s, {'' if whole else 'NOT '}complete and in order\n")
    print("late by, ms             p50     p95     p99     max")
    for name, figures in (("LangGraph's astream", plain), ("through Signoff", late)):
        marks = [figures[len(figures) * percent // 100] for percent in (50, 95, 99)]
        print(f"{name:20}" + "".join(f"{each:8.1f}" for each in (*marks, figures[-1])))
    added = statistics.median(late) - statistics.median(plain)
    print(f"\nadded at the median: {added:.1f} ms (to reach: 50)")
    names = ("server", "worker", "PostgreSQL")
    spent = [(new - old) * 1000 / len(late) for old, new in zip(before, after, strict=True)]
    costs = ", ".join(f"{name} {each:.2f}" for name, each in zip(names, spent, strict=True))
    print(f"CPU ms for an event: {costs}")
    if not whole:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
