"""Assistants: each graph that is served has one, with an id that follows from its name."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from signoff.api import schemas
from signoff.api.route import WITH_BODY, Answer, Caller, Route, refusals
from signoff.api.wire import selected
from signoff.graph.catalog import Served
from signoff.service.assistants import graph_schemas

router = APIRouter(tags=["assistants"], route_class=Route)

CREATED = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
"""Assistants are not made but follow from the configuration; clients want a time nevertheless."""

FIELDS = tuple(schemas.Assistant.model_fields)


class AssistantSearch(BaseModel):
    """Which assistants to list."""

    metadata: dict[str, Any] | None = None
    graph_id: str | None = None
    name: str | None = Field(default=None, description="A part of the name.")
    limit: int = Field(default=10, ge=1, le=1000)
    offset: int = Field(default=0, ge=0)
    sort_by: Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"] = "name"
    sort_order: Literal["asc", "desc"] = "asc"
    select: list[Literal[FIELDS]] | None = None  # type: ignore[valid-type]


@router.post(
    "/assistants/search",
    response_model=list[schemas.Assistant],
    responses=refusals(*WITH_BODY),
)
async def search_assistants(caller: Caller, search: AssistantSearch) -> Answer:
    """The graphs that are served here."""
    wanted = (search.metadata or {}).items()
    found = [
        assistant
        for assistant in map(_assistant, caller.office.catalog.values())
        if search.graph_id in (None, assistant["graph_id"])
        and (search.name or "").lower() in assistant["name"].lower()
        and wanted <= assistant["metadata"].items()
    ]
    found.sort(key=lambda each: each[search.sort_by], reverse=search.sort_order == "desc")
    page = found[search.offset : search.offset + search.limit]
    return Answer(
        [selected(assistant, search.select) for assistant in page],
        headers={"x-pagination-total": str(len(found))},
    )


@router.get("/assistants/{assistant_id}", response_model=schemas.Assistant, responses=refusals())
async def get_assistant(caller: Caller, assistant_id: str) -> Answer:
    """One graph, by its name or its assistant id."""
    return Answer(_assistant(caller.office.catalog.find(assistant_id)))


@router.get(
    "/assistants/{assistant_id}/schemas",
    response_model=schemas.GraphSchemas,
    responses=refusals(),
)
async def get_schemas(caller: Caller, assistant_id: str) -> Answer:
    """The JSON Schemas of a graph: what it takes, keeps and returns."""
    return Answer(graph_schemas(caller.office, assistant_id))


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
