"""Threads, in the shapes of LangGraph's server."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, Field

from signoff.api import engine_schemas
from signoff.api.route import WITH_BODY, Answer, Caller, Route, refusals
from signoff.api.wire import Path, Unsupported, extracted, selected
from signoff.domain.errors import ThreadExists, ThreadNotFound
from signoff.render import thread_json
from signoff.service import read, sight
from signoff.service import threads as service
from signoff.service.wait import new_thread_id

router = APIRouter(tags=["threads"], route_class=Route)

FIELDS = tuple(engine_schemas.Thread.model_fields)


class ThreadCreate(BaseModel):
    """A thread to make."""

    thread_id: str | None = Field(default=None, description="A new id unless one is given.")
    metadata: dict[str, Any] | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None
    supersteps: Unsupported = None
    ttl: Unsupported = None


class ThreadPatch(BaseModel):
    """What to change of a thread."""

    metadata: dict[str, Any] = Field(description="Merged into the thread's.")
    ttl: Unsupported = None


class ThreadFilter(BaseModel):
    """Which threads are meant: all that fit everything given."""

    metadata: dict[str, Any] | None = Field(default=None, description="Contained in the thread's.")
    values: dict[str, Any] | None = Field(default=None, description="Contained in its state.")
    status: engine_schemas.ThreadStatus | None = None
    ids: list[str] | None = None


class ThreadSearch(ThreadFilter):
    """Which threads to list, and how."""

    limit: int = Field(default=10, ge=1, le=read.MAX_PAGE)
    offset: int = Field(default=0, ge=0, le=read.MAX_OFFSET)
    sort_by: Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"] = (
        "created_at"
    )
    sort_order: Literal["asc", "desc"] = "desc"
    select: list[Literal[FIELDS]] | None = None  # type: ignore[valid-type]
    extract: dict[str, Path] | None = Field(
        default=None,
        max_length=10,
        description="Parts of a thread by names of your own, such as `values.messages[-1].content`:"
        " the answer has them as `extracted`, null where there is nothing.",
    )


@router.post("/threads", response_model=engine_schemas.Thread, responses=refusals(409, *WITH_BODY))
async def create_thread(caller: Caller, order: ThreadCreate) -> Answer:
    """Make a thread; 409 if it exists, unless `if_exists` is `do_nothing`."""
    graph = (order.metadata or {}).get("graph_id")
    if isinstance(graph, str) and graph in caller.office.catalog:
        sight.check_graph(caller.office, caller.principal, graph)
    thread = await service.create_thread(
        caller.office,
        new_thread_id() if order.thread_id is None else order.thread_id,
        by=caller.by,
        metadata=order.metadata or {},
        may_exist=order.if_exists == "do_nothing",
    )
    try:
        await sight.check_thread(caller.office, caller.principal, thread.id)
    except ThreadNotFound as error:
        raise ThreadExists(f"There is a thread {thread.id} already.") from error
    waiting = await read.waiting(caller.office, [thread.id])
    return Answer(thread_json(thread, waiting.get(thread.id, [])))


@router.post(
    "/threads/search",
    response_model=list[engine_schemas.Thread | engine_schemas.SelectedThread],
    responses=refusals(*WITH_BODY),
)
async def search_threads(caller: Caller, search: ThreadSearch) -> Answer:
    """The threads that fit, the newest first unless sorted; `x-pagination-total` has the number."""
    found, total = await read.search_threads(
        caller.office,
        **_filters(search),
        limit=search.limit,
        offset=search.offset,
        sort_by=search.sort_by,
        descending=search.sort_order == "desc",
        sight=sight.sight_of(caller.principal),
    )
    waiting = await read.waiting(caller.office, [thread.id for thread in found])
    shown = [thread_json(thread, waiting.get(thread.id, [])) for thread in found]
    headers = {"x-pagination-total": str(total)}
    if (following := search.offset + len(found)) < total:
        headers["x-pagination-next"] = str(following)
    return Answer([_part(each, search) for each in shown], headers=headers)


@router.post("/threads/count", response_model=int, responses=refusals(*WITH_BODY))
async def count_threads(caller: Caller, filters: ThreadFilter) -> Answer:
    """How many threads fit."""
    seen = sight.sight_of(caller.principal)
    _, total = await read.search_threads(caller.office, **_filters(filters), limit=1, sight=seen)
    return Answer(total)


@router.get("/threads/{thread_id}", response_model=engine_schemas.Thread, responses=refusals())
async def get_thread(caller: Caller, thread_id: str) -> Answer:
    """One thread as it stands."""
    return Answer(thread_json(*await read.get_waiting_thread(caller.office, thread_id)))


@router.patch(
    "/threads/{thread_id}",
    response_model=engine_schemas.Thread,
    responses={**refusals(*WITH_BODY), 204: {"description": "Changed, and not shown"}},
)
async def patch_thread(
    caller: Caller,
    thread_id: str,
    patch: ThreadPatch,
    prefer: Annotated[str | None, Header(description="`return=minimal`: 204, without it.")] = None,
) -> Response:
    """Merge into a thread's metadata."""
    await service.label_thread(caller.office, thread_id, patch.metadata)
    if prefer == "return=minimal":
        return Response(status_code=204)
    return await get_thread(caller, thread_id)


@router.delete(
    "/threads/{thread_id}", status_code=204, response_class=Response, responses=refusals(409)
)
async def delete_thread(caller: Caller, thread_id: str) -> Response:
    """Remove a thread with all that belongs to it; its audit stays. 409 during a run."""
    await service.delete_thread(caller.office, thread_id, by=caller.by)
    return Response(status_code=204)


def _part(thread: dict[str, Any], search: ThreadSearch) -> dict[str, Any]:
    part = selected(thread, search.select)
    if search.extract is None:
        return part
    return {**part, "extracted": extracted(thread, search.extract)}


def _filters(given: ThreadFilter) -> dict[str, Any]:
    return given.model_dump(include={"metadata", "values", "status", "ids"})
