"""Tell the address that a run was started with how it has ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from signoff.db import messages, requests
from signoff.db.messages import Draft
from signoff.db.pool import Connection
from signoff.domain.address import RUN
from signoff.domain.run import Run, RunStatus
from signoff.ids import new_id
from signoff.render import RUN_STATUS, interrupts_json, run_json

OPTION = "webhook"
"""The option of a run that has the address."""


def is_told(run: Run) -> bool:
    """Whether somebody is told how a run ends."""
    return run.options.get(OPTION) is not None


async def tell_end(
    conn: Connection,
    run: Run,
    status: RunStatus,
    *,
    values: Any,
    error: str | None,
    at: datetime,
) -> None:
    """Have the address called once this commits: with the run and the state, as LangGraph's server.

    A pause is an end, as it is there; the run that goes on after it has the same address, and
    calls it again. What the thread waits for then, is told as well.
    """
    if not is_told(run):
        return
    await messages.insert(
        conn,
        [
            Draft(
                id=new_id(),
                thread_id=run.thread_id,
                graph=run.graph,
                run_id=run.id,
                occasion=f"run.{RUN_STATUS[status]}",
                by=run.by,
                at=at,
                channel=RUN,
                address=run.options[OPTION],
                due_at=at,
                payload=await _payload(conn, run, status, values=values, error=error, at=at),
            )
        ],
    )


async def _payload(
    conn: Connection, run: Run, status: RunStatus, *, values: Any, error: str | None, at: datetime
) -> dict[str, Any]:
    """What the address is told."""
    ended = replace(run, status=status, error=error, updated_at=at)
    payload = {
        **run_json(ended),
        "run_started_at": run.updated_at.isoformat(),
        "run_ended_at": at.isoformat(),
        "values": values,
    }
    if status is RunStatus.PAUSED:
        waiting = await requests.waiting(conn, [run.thread_id])
        payload["interrupts"] = interrupts_json(waiting.get(run.thread_id, []))
    return payload
