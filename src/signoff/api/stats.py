"""Figures over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from signoff.api import schemas
from signoff.api.route import Answer, Caller, Route, refusals
from signoff.service.stats import MAX_DAYS, Group, get_stats

router = APIRouter(tags=["requests"], route_class=Route)


@router.get("/stats", response_model=schemas.Stats, responses=refusals())
async def stats(
    caller: Caller,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS, description="Back from today, in UTC.")] = 30,
) -> Answer:
    """What is open now, and what was decided in the last days: how long it took, and whether it was
    in time; by day, graph, node and reviewer."""
    found = await get_stats(caller.office, days=days, graphs=caller.principal.graphs)
    return Answer(
        {
            "open": found.open,
            "overdue": found.overdue,
            **found.total.to_json(),
            "days": [
                {"day": each.day.isoformat(), "opened": each.opened, **each.figures.to_json()}
                for each in found.days
            ],
            "graphs": [_group(each, "graph") for each in found.graphs],
            "nodes": [{**_group(each, "node"), "graph": each.graph} for each in found.nodes],
            "reviewers": [
                {"reviewer": each.name, **each.figures.to_json()} for each in found.reviewers
            ],
        }
    )


def _group(group: Group, called: str) -> dict[str, Any]:
    return {
        called: group.name,
        "open": group.open,
        "overdue": group.overdue,
        **group.figures.to_json(),
    }
