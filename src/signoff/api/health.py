"""Whether the server is up, and whether it can do its work. Nobody has to say who asks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from signoff.api import problems, schemas
from signoff.api.route import PROBLEM, Answer
from signoff.domain.errors import ConfigError, DatabaseNotReady
from signoff.service.health import check_database

router = APIRouter(tags=["health"])

NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "The database does not answer",
        "content": {problems.MEDIA_TYPE: {"schema": PROBLEM}},
    }
}


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", response_model=schemas.Health)
async def healthz() -> Answer:
    """The server is up. Monitors often ask by HEAD, for the status alone."""
    return Answer({"status": "ok"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=schemas.Health, responses=NOT_READY)
async def readyz(request: Request) -> Response:
    """The server is up, and the database answers."""
    try:
        await check_database(request.app.state.desk.office)
    except ConfigError:
        return problems.answer(DatabaseNotReady("The desk is not open."))
    return Answer({"status": "ok"})
