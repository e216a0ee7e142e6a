"""Threads: where they stand, how they came there, what they ask; and starting runs."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from signoff.answering import status_of
from signoff.domain.errors import (
    CheckpointNotFound,
    Conflict,
    FieldError,
    GraphNotFound,
    InvalidInput,
    SignoffError,
    TooLarge,
)
from signoff.domain.principal import Role
from signoff.domain.run import RunStatus
from signoff.domain.thread import Thread, ThreadStatus
from signoff.schema import check_schema
from signoff.service import inbox, read
from signoff.service.assistants import graph_drawing, graph_schemas
from signoff.service.cancel import cancel_run
from signoff.service.office import Office, graph_metadata
from signoff.service.sight import check_graph, check_thread, sight_of
from signoff.service.start_run import Order, start_run
from signoff.service.state import Place, get_history, get_state
from signoff.service.wait import new_thread_id
from signoff.web import content
from signoff.web.drawing import draw
from signoff.web.forms.action import ActionForm
from signoff.web.forms.typed import Unreadable
from signoff.web.rendering import query
from signoff.web.requests import Notice
from signoff.web.route import PageRoute, Visit, page, see


class _Operating(PageRoute):
    """A page of what runs: forms that start or stop something need an operator."""

    def role(self) -> Role:
        return Role.VIEWER if self.methods == {"GET"} else Role.OPERATOR


router = APIRouter(route_class=_Operating, include_in_schema=False)

PAGE_SIZE = 50
STEPS = 20

ACTIVE = (RunStatus.QUEUED, RunStatus.RUNNING)


@router.get("/inbox/threads")
async def show_threads(
    visit: Visit,
    status: str | None = None,
    graph: str | None = None,
    before: datetime | None = None,
    after: str = "",
) -> Response:
    """The threads that were begun last; those of one status or graph, if one is named.

    A page begins `before` a moment, and of those begun in that moment after a thread.
    """
    found, place = await read.latest_threads(
        visit.office,
        before=None if before is None else (before, after),
        status=status or None,
        metadata=graph_metadata(graph) if graph else None,
        limit=PAGE_SIZE,
        sight=sight_of(visit.principal),
    )
    narrowed = {"status": status, "graph": graph}
    older = query(**narrowed, before=place[0].isoformat(), after=place[1]) if place else None
    return page(
        visit.request,
        "threads.html",
        by=visit.by,
        threads=found,
        status_shown=status or "",
        graph=graph or "",
        graphs=sorted(filter(visit.principal.sees, visit.office.catalog)),
        may_start=visit.principal.role.includes(Role.OPERATOR),
        statuses=[each.value for each in ThreadStatus],
        newest=query(**narrowed) if before is not None else None,
        older=older,
    )


@router.get("/inbox/threads/{thread_id}")
async def show_thread(
    visit: Visit, thread_id: str, at: str | None = None, part: str | None = None
) -> Response:
    """A thread as it stands; or as it stood at one of its checkpoints."""
    shown = await _thread(visit, thread_id, at)
    template = "thread_part.html" if part == "live" else "thread.html"
    return page(visit.request, template, by=visit.by, notice=None, **shown)


@router.post("/inbox/threads/{thread_id}/runs/{run_id}/cancel")
async def cancel(visit: Visit, thread_id: str, run_id: str) -> Response:
    """Stop a run, and withdraw what it asks."""
    try:
        await cancel_run(visit.office, thread_id, run_id, by=visit.by)
    except Conflict as error:
        return await _refused(visit, thread_id, error)
    return see(visit, f"/threads/{thread_id}")


@router.post("/inbox/threads/{thread_id}/continue")
async def go_on(visit: Visit, thread_id: str) -> Response:
    """Run on from where a thread stands, as after a failure."""
    thread = await read.get_thread(visit.office, thread_id)
    try:
        if thread.graph is None:
            raise Conflict("No graph has run on this thread.")
        order = Order(graph=thread.graph, thread_id=thread_id, by=visit.by, enqueue=False)
        await start_run(visit.office, order)
    except (Conflict, GraphNotFound) as error:
        return await _refused(visit, thread_id, error)
    return see(visit, f"/threads/{thread_id}")


@router.get("/inbox/start/{graph}")
async def ask_for_input(visit: Visit, graph: str) -> Response:
    """The form to start a run of a graph."""
    return _start(
        visit, graph, _form(visit, graph), thread_id=visit.request.query_params.get("thread", "")
    )


@router.post("/inbox/start/{graph}")
async def start(visit: Visit, graph: str) -> Response:
    """Start a run, and go to its thread."""
    form = _form(visit, graph, sent=True)
    thread_id = visit.form.get("thread", "").strip()
    errors: list[FieldError] = []
    if thread_id:
        await check_thread(visit.office, visit.principal, thread_id)
    try:
        order = Order(
            graph=graph,
            thread_id=thread_id or new_thread_id(),
            by=visit.by,
            input=form.values(),
            enqueue=False,
        )
        run = await start_run(visit.office, order)
    except Unreadable as error:
        errors, refusal = [error.error], "The input is not well formed."
    except (InvalidInput, TooLarge, Conflict) as error:
        errors = list(error.errors) if isinstance(error, InvalidInput) else []
        refusal = error.message
    else:
        return see(visit, f"/threads/{run.thread_id}")
    rest = form.say(errors)
    return _start(visit, graph, form, thread_id=thread_id, refusal=refusal, rest=rest, status=422)


async def _refused(visit: Visit, thread_id: str, error: SignoffError) -> Response:
    shown = await _thread(visit, thread_id, None)
    notice = Notice(kind="refused", text=error.message)
    status = status_of(error)
    return page(visit.request, "thread.html", by=visit.by, status=status, notice=notice, **shown)


async def _thread(visit: Visit, thread_id: str, at: str | None) -> dict[str, Any]:
    office = visit.office
    thread = await read.get_thread(office, thread_id)
    runs = await read.list_runs(office, thread_id, limit=20)
    before = visit.request.query_params.get("before")
    state, steps, drawn, missing = await _state(office, thread, at, before)
    values = await asyncio.to_thread(content.shown, state["values"]) if state else None
    requests = await inbox.of_thread(office, thread_id)
    failed = [each for each in requests if each.delivery == "failed"]
    return {
        "thread": thread,
        "runs": runs,
        "requests": requests,
        "failed": failed,
        "may_operate": visit.principal.role.includes(Role.OPERATOR),
        "may_go_on": thread.status is ThreadStatus.ERROR and not failed,
        "state": state,
        "values": values,
        "steps": steps,
        "at": at,
        "drawn": drawn,
        "missing": missing,
        "stoppable": [
            run.id
            for n, run in enumerate(runs)
            if run.status in ACTIVE or (run.status is RunStatus.PAUSED and n == 0)
        ],
        "more": query(before=steps[-1]["checkpoint_id"]) if len(steps) == STEPS else None,
    }


async def _state(
    office: Office, thread: Thread, at: str | None, before: str | None
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], Any, str | None]:
    """A thread's state, its last checkpoints, its graph as a drawing; or why there is none."""
    if thread.graph is None:
        return None, [], None, "No graph has run on this thread."
    try:
        place = Place(thread_id=thread.id)
        steps = await get_history(office, place, before=before, limit=STEPS)
        state = await get_state(office, Place(thread_id=thread.id, id=at))
        drawing = graph_drawing(office, thread.graph, False)
    except GraphNotFound:
        return None, [], None, f"The graph {thread.graph} is not served here."
    except CheckpointNotFound:
        raise
    nodes = [str(each) for each in state["next"]]
    drawn = draw(drawing, at=nodes or (["__end__"] if thread.status is ThreadStatus.IDLE else []))
    return state, steps, drawn, None


def _form(visit: Visit, graph: str, *, sent: bool = False) -> ActionForm:
    """The form for what a graph takes; as JSON, if it does not say so or that is asked for."""
    graph = check_graph(visit.office, visit.principal, graph)
    schema = graph_schemas(visit.office, graph)["input_schema"]
    as_json = visit.request.query_params.get("as") == "json" or visit.form.get("as") == "json"
    try:
        check_schema(schema)
    except InvalidInput:
        schema = None
    action = {"name": "start", "schema": schema or {"type": "object"}}
    return ActionForm(action, prefix="s", data=visit.form if sent else None, as_json=as_json)


def _start(
    visit: Visit,
    graph: str,
    form: ActionForm,
    *,
    thread_id: str,
    refusal: str | None = None,
    rest: list[FieldError] | None = None,
    status: int = 200,
) -> Response:
    return page(
        visit.request,
        "start.html",
        by=visit.by,
        status=status,
        graph=graph,
        form=form,
        thread_id=thread_id,
        refusal=refusal,
        rest=rest or [],
    )
