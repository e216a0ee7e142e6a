"""Assistants: each graph that is served has one, with an id that follows from its name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from signoff.api import engine_schemas
from signoff.api.route import WITH_BODY, Answer, Caller, Route, refusals
from signoff.api.wire import selected
from signoff.graph.catalog import Served
from signoff.service.assistants import graph_drawing, graph_schemas, subgraph_schemas
from signoff.service.sight import check_graph

router = APIRouter(tags=["assistants"], route_class=Route)

CREATED = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
"""Assistants are not made but follow from the configuration; clients want a time nevertheless."""

FIELDS = tuple(engine_schemas.Assistant.model_fields)


class AssistantFilter(BaseModel):
    """Which assistants are meant: all that fit everything given."""

    metadata: dict[str, Any] | None = None
    graph_id: str | None = None
    name: str | None = Field(default=None, description="A part of the name.")


class AssistantSearch(AssistantFilter):
    """Which assistants to list, and how."""

    limit: int = Field(default=10, ge=1, le=1000)
    offset: int = Field(default=0, ge=0)
    sort_by: Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"] = "name"
    sort_order: Literal["asc", "desc"] = "asc"
    select: list[Literal[FIELDS]] | None = None  # type: ignore[valid-type]


@router.post(
    "/assistants/search",
    response_model=list[engine_schemas.Assistant | engine_schemas.SelectedAssistant],
    responses=refusals(*WITH_BODY),
)
async def search_assistants(caller: Caller, search: AssistantSearch) -> Answer:
    """The graphs that are served here."""
    found = _found(caller, search)
    found.sort(key=lambda each: each[search.sort_by], reverse=search.sort_order == "desc")
    page = found[search.offset : search.offset + search.limit]
    return Answer(
        [selected(assistant, search.select) for assistant in page],
        headers={"x-pagination-total": str(len(found))},
    )


@router.post("/assistants/count", response_model=int, responses=refusals(*WITH_BODY))
async def count_assistants(caller: Caller, filters: AssistantFilter) -> Answer:
    """How many fit."""
    return Answer(len(_found(caller, filters)))


@router.get(
    "/assistants/{assistant_id}", response_model=engine_schemas.Assistant, responses=refusals()
)
async def get_assistant(caller: Caller, assistant_id: str) -> Answer:
    """One graph, by its name or its assistant id."""
    graph = check_graph(caller.office, caller.principal, assistant_id)
    return Answer(_assistant(caller.office.catalog[graph]))


@router.get(
    "/assistants/{assistant_id}/schemas",
    response_model=engine_schemas.GraphSchemas,
    responses=refusals(),
)
async def get_schemas(caller: Caller, assistant_id: str) -> Answer:
    """The JSON Schemas of a graph: what it takes, keeps and returns."""
    graph = check_graph(caller.office, caller.principal, assistant_id)
    return Answer(graph_schemas(caller.office, graph))


@router.get(
    "/assistants/{assistant_id}/graph",
    response_model=engine_schemas.Drawing,
    responses=refusals(),
)
async def get_graph(
    caller: Caller,
    assistant_id: str,
    xray: Annotated[
        int | bool, Query(description="Also the graphs inside; a number says how many levels.")
    ] = False,
) -> Answer:
    """The nodes and edges of a graph, to draw it."""
    graph = check_graph(caller.office, caller.principal, assistant_id)
    return Answer(graph_drawing(caller.office, graph, xray))


@router.get(
    "/assistants/{assistant_id}/subgraphs",
    response_model=dict[str, engine_schemas.GraphSchemas],
    responses=refusals(),
)
async def get_subgraphs(caller: Caller, assistant_id: str, recurse: bool = False) -> Answer:
    """The JSON Schemas of the graphs inside a graph, by the nodes that they are."""
    graph = check_graph(caller.office, caller.principal, assistant_id)
    return Answer(await subgraph_schemas(caller.office, graph, None, recurse=recurse))


@router.get(
    "/assistants/{assistant_id}/subgraphs/{namespace}",
    response_model=dict[str, engine_schemas.GraphSchemas],
    responses=refusals(),
)
async def get_subgraphs_at(
    caller: Caller, assistant_id: str, namespace: str, recurse: bool = False
) -> Answer:
    """Those at one place: a node, or several with `|` between, one inside the other."""
    graph = check_graph(caller.office, caller.principal, assistant_id)
    return Answer(await subgraph_schemas(caller.office, graph, namespace, recurse=recurse))


def _found(caller: Caller, filters: AssistantFilter) -> list[dict[str, Any]]:
    wanted = (filters.metadata or {}).items()
    return [
        assistant
        for assistant in map(_assistant, caller.office.catalog.values())
        if caller.principal.sees(assistant["graph_id"])
        and filters.graph_id in (None, assistant["graph_id"])
        and (filters.name or "").lower() in assistant["name"].lower()
        and wanted <= assistant["metadata"].items()
    ]


def _assistant(served: Served) -> dict[str, Any]:
    return {
        "assistant_id": str(served.assistant_id),
        "graph_id": served.name,
        "name": served.name,
        "description": None,
        "config": {},
        "context": {},
        "metadata": {"created_by": "system"},
        "version": 1,
        "created_at": CREATED,
        "updated_at": CREATED,
    }
