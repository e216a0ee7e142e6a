"""Runs without a thread: each gets a new one, which is kept, as people may have to answer on it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from signoff.api import engine_schemas, runs, streams
from signoff.api.route import WITH_BODY, Answer, Caller, Route, refusals
from signoff.api.runs import RunCreate
from signoff.api.sse import EventStream
from signoff.api.wire import refuse
from signoff.service.wait import new_thread_id

router = APIRouter(tags=["runs"], route_class=Route)


@router.post("/runs", response_model=engine_schemas.Run, responses=refusals(409, *WITH_BODY))
async def create_run(caller: Caller, request: Request, order: RunCreate) -> Answer:
    """Start a run on a new thread, in the background."""
    return await runs.create_run(caller, request, new_thread_id(), _on_new_thread(order))


@router.post("/runs/wait", response_model=dict[str, Any], responses=refusals(409, *WITH_BODY))
async def wait_for_new_run(caller: Caller, request: Request, order: RunCreate) -> Response:
    """Start a run on a new thread, and answer with the state in which it ends or pauses.

    `content-location` names the thread.
    """
    return await runs.wait_for_new_run(caller, request, new_thread_id(), _on_new_thread(order))


@router.post("/runs/stream", response_class=EventStream, responses=refusals(409, *WITH_BODY))
async def stream_new_run(caller: Caller, request: Request, order: RunCreate) -> EventStream:
    """Start a run on a new thread, and follow what it streams until it pauses or ends.

    `content-location` names the thread.
    """
    return await streams.stream_new_run(caller, request, new_thread_id(), _on_new_thread(order))


def _on_new_thread(order: RunCreate) -> RunCreate:
    if order.command is not None:
        refuse("command", "needs a thread that waits")
    return order.model_copy(update={"if_not_exists": "create"})
