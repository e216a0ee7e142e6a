"""D: the small app that people write by hand. FastAPI, LangGraph's saver, `ainvoke`; no queue.

Nothing survives a crash here, two answers race, and nobody is asked; it is the price to beat.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.types import Command
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from bench.workload import INPUT, builder


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool and compile the graph, as the tutorials do."""
    kwargs = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(
        os.environ["BENCH_DATABASE_URL"], min_size=4, max_size=16, open=False, kwargs=kwargs
    ) as pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        app.state.graph = builder().compile(checkpointer=saver)
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/start")
async def start() -> dict[str, Any]:
    """Run to the pause."""
    thread_id = str(uuid.uuid4())
    config = {"configurable": {"thread_id": thread_id}}
    state = await app.state.graph.ainvoke(INPUT, config)
    [interrupt] = state["__interrupt__"]
    return {"thread_id": thread_id, "interrupt_id": interrupt.id, "payload": interrupt.value}


@app.post("/decide/{thread_id}")
async def decide(thread_id: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Resume to the end."""
    config = {"configurable": {"thread_id": thread_id}}
    state: dict[str, Any] = await app.state.graph.ainvoke(Command(resume=answer), config)
    return state
