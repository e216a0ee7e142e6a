"""Runs that go on from a request: they go on as the run that asked was started."""

from __future__ import annotations

from typing import Any

from signoff.db import runs
from signoff.db.pool import Connection
from signoff.domain.request import Request
from signoff.domain.run import Run, RunKind, RunStatus
from signoff.graph.runner import REASK
from signoff.ids import new_id
from signoff.service.office import Office


async def run_from(
    conn: Connection, office: Office, request: Request, *, by: str, reask: bool = False
) -> Run:
    """The run that delivers a request's outcome; or, with `reask`, that asks its question anew.

    It has the config, context, metadata and options of the run that asked.
    """
    at = office.now()
    asked = await runs.get(conn, request.thread_id, request.run_id or "")
    options: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    if asked is not None:
        options = {key: value for key, value in asked.options.items() if key != REASK}
        settings = {
            "config": asked.config,
            "context": asked.context,
            "metadata": asked.metadata,
        }
    return Run(
        id=new_id(),
        thread_id=request.thread_id,
        graph=request.graph,
        kind=RunKind.CONTINUE if reask else RunKind.RESUME,
        status=RunStatus.QUEUED,
        by=by,
        options={**options, REASK: request.id} if reask else options,
        created_at=at,
        updated_at=at,
        **settings,
    )
