"""Take back what a run asks that was cancelled."""

from __future__ import annotations

from signoff import acting
from signoff.db import audit, requests
from signoff.db.pool import Connection
from signoff.domain.audit import AuditEntry
from signoff.domain.request import RequestState
from signoff.domain.run import Run
from signoff.service.office import Office


async def withdraw_open(
    conn: Connection, thread_id: str, run: Run, *, by: str, office: Office
) -> None:
    """Withdraw what a thread has open, because its run was cancelled."""
    at = office.now()
    closed = await requests.close_open(conn, thread_id, to=RequestState.WITHDRAWN, at=at)
    await audit.append(
        conn,
        *(
            AuditEntry(
                event="request.withdrawn",
                thread_id=thread_id,
                by=by,
                at=at,
                request_id=request_id,
                run_id=run.id,
                method=acting.method(by),
                before={"state": RequestState.OPEN.value},
                after={"state": RequestState.WITHDRAWN.value},
            )
            for request_id in closed
        ),
    )
