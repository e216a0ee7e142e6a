"""One contender of `bench.main_job` in a process of its own.

Reads ``{"concurrency", "cycles"}`` a line, runs that many cycles of start, pause, decide, done, and
answers with what they took. ``python -m bench.contender NAME ADDRESS``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.types import Command
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from bench.http import Connection
from bench.workload import INPUT, builder
from signoff import Signoff
from signoff.config import Settings

Cycle = Callable[[], Awaitable[float]]
"""One cycle; the seconds from the decision to the end."""

ANSWER = {"action": "approve"}


@asynccontextmanager
async def plain(url: str, savers: int) -> AsyncIterator[Callable[[int], Awaitable[Cycle]]]:
    """A: LangGraph alone, with one saver or with many over one pool."""
    kwargs = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(url, min_size=4, max_size=16, open=False, kwargs=kwargs) as pool:
        await AsyncPostgresSaver(pool).setup()
        graphs = [builder().compile(checkpointer=AsyncPostgresSaver(pool)) for _ in range(savers)]

        async def contender(number: int) -> Cycle:
            graph = graphs[number % savers]

            async def cycle() -> float:
                config = {"configurable": {"thread_id": str(uuid.uuid4())}}
                state = await graph.ainvoke(INPUT, config)
                [interrupt] = state["__interrupt__"]
                decided = time.perf_counter()
                state = await graph.ainvoke(Command(resume={interrupt.id: ANSWER}), config)
                assert state["result"] == "done: approve"
                return time.perf_counter() - decided

            return cycle

        yield contender


@asynccontextmanager
async def library(url: str) -> AsyncIterator[Callable[[int], Awaitable[Cycle]]]:
    """B: Signoff's library, with all its promises."""
    async with Signoff(url, {"bench": builder()}, Settings(data_dir=Path("/nonexistent"))) as desk:

        async def contender(_number: int) -> Cycle:
            async def cycle() -> float:
                run = await desk.start("bench", INPUT, by="bench")
                await desk.wait(run.thread_id)
                [request] = (await desk.requests(thread_id=run.thread_id)).items
                decided = time.perf_counter()
                await desk.decide(request.id, "approve", by="bench")
                thread = await desk.wait(run.thread_id)
                assert thread.values["result"] == "done: approve"
                return time.perf_counter() - decided

            return cycle

        yield contender


@asynccontextmanager
async def server(address: str) -> AsyncIterator[Callable[[int], Awaitable[Cycle]]]:
    """C: Signoff over HTTP, in the two calls of LangGraph's own API."""
    host, _, port = address.rpartition(":")

    async def contender(_number: int) -> Cycle:
        connection = await Connection(host, int(port)).open()

        async def cycle() -> float:
            path = f"/threads/{uuid.uuid4()}/runs/wait"
            run = {"assistant_id": "bench", "input": INPUT, "if_not_exists": "create"}
            state = await connection.post(path, run)
            [interrupt] = state["__interrupt__"]
            decided = time.perf_counter()
            resume = {"resume": {interrupt["id"]: ANSWER}}
            state = await connection.post(path, {"assistant_id": "bench", "command": resume})
            assert state["result"] == "done: approve"
            return time.perf_counter() - decided

        return cycle

    yield contender


@asynccontextmanager
async def handwritten(address: str) -> AsyncIterator[Callable[[int], Awaitable[Cycle]]]:
    """D: the hand-written app over HTTP, in two calls as well."""
    host, _, port = address.rpartition(":")

    async def contender(_number: int) -> Cycle:
        connection = await Connection(host, int(port)).open()

        async def cycle() -> float:
            started = await connection.post("/start", {})
            decided = time.perf_counter()
            state = await connection.post(f"/decide/{started['thread_id']}", ANSWER)
            assert state["result"] == "done: approve"
            return time.perf_counter() - decided

        return cycle

    yield contender


CONTENDERS = {
    "A1": lambda address: plain(address, 1),
    "A16": lambda address: plain(address, 16),
    "B": library,
    "C": server,
    "D": handwritten,
}


async def measure(
    contender: Callable[[int], Awaitable[Cycle]], concurrency: int, cycles: int
) -> dict[str, float]:
    """Cycles per second, and milliseconds from decision to end."""
    latencies: list[float] = []
    each = max(1, cycles // concurrency)

    async def work(cycle: Cycle) -> None:
        for _ in range(each):
            latencies.append(await cycle())

    workers = [await contender(number) for number in range(concurrency)]
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work(cycle) for cycle in workers))
    seconds = time.perf_counter() - began
    latencies.sort()
    count = len(latencies)
    return {
        "per_second": count / seconds,
        "cpu_ms": (time.process_time() - cpu) * 1000 / count,
        "cycles": count,
        **{
            f"p{percent}_ms": latencies[min(count - 1, count * percent // 100)] * 1000
            for percent in (50, 95, 99)
        },
    }


async def main(name: str, address: str) -> None:
    """Answer each line of standard input."""
    async with CONTENDERS[name](address) as contender:
        print("ready", flush=True)
        for line in iter(sys.stdin.readline, ""):
            asked = json.loads(line)
            result = await measure(contender, asked["concurrency"], asked["cycles"])
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
