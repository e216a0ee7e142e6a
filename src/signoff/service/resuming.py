"""Runs that go on from a request: they go on as the run that asked was started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from signoff.db import runs
from signoff.db.pool import Connection
from signoff.domain.errors import FieldError, NotSupported
from signoff.domain.request import Request
from signoff.domain.run import Run, RunKind, RunStatus
from signoff.graph.assignment import REASK
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
        traceparent=office.traces.here(),
        created_at=at,
        updated_at=at,
        **settings,
    )


def resume_of(office: Office, request: Request, *, by: str) -> Run:
    """The run that delivers what closes a request; recording it gives it what the one that asked
    was started with (see `signoff.db.decisions.record`)."""
    at = office.now()
    return Run(
        id=new_id(),
        thread_id=request.thread_id,
        graph=request.graph,
        kind=RunKind.RESUME,
        status=RunStatus.QUEUED,
        by=by,
        traceparent=office.traces.here(),
        created_at=at,
        updated_at=at,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What whoever answers says of the run that goes on, besides the answer.

    `options` and `metadata` are added to those of the run that asked. What is in `as_started` it
    cannot have anew: it is what the run that asked was started with, by the names of the wire.
    """

    options: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    as_started: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.options or self.metadata or self.as_started)

    def check(self, run: Run) -> None:
        """Return if the run goes on with what is said here.

        Raises:
            NotSupported: It does not.
        """
        started = {"config": run.config, "context": run.context, **run.options}
        for name, given in self.as_started.items():
            if said(given) != said(started.get(name)):
                problem = "can only be what the run was started with: it goes on with that"
                raise NotSupported(f"{name} {problem}", [FieldError(f"/{name}", problem)])


NO_TERMS = Terms()


def said(setting: Any) -> Any:
    """A setting without what is empty: that says nothing."""
    if not isinstance(setting, dict):
        return setting
    return {key: value for key, value in setting.items() if value not in (None, {}, [])}
