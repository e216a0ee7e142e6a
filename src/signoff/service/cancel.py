"""Cancel a run."""

from __future__ import annotations

from signoff import acting
from signoff.db import audit, leases, notices, outcomes, runs, threads
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import Conflict, RunNotFound, ThreadNotFound
from signoff.domain.principal import check_principal
from signoff.domain.run import Run, RunStatus
from signoff.service.office import Office
from signoff.service.tell_run import is_told, tell_end
from signoff.service.withdraw_open import withdraw_open

CANCELLED = "the run that was to deliver it was cancelled"
"""Why an outcome was not delivered."""


async def cancel_run(office: Office, thread_id: str, run_id: str, *, by: str) -> Run:
    """Stop a run that is queued, under way or waiting at its pause, and withdraw what it asks.

    A worker that executes it is told, and stops at its next chance; it can write nothing that
    would open a request again. Decisions that the run was to deliver, and has not, show a failed
    delivery, which can be retried.

    Raises:
        ThreadNotFound, RunNotFound: There is no such thread or run.
        Conflict: The run has ended already.
    """
    check_principal(by)
    at = office.now()
    async with office.database.transaction() as conn:
        thread = await threads.lock(conn, thread_id)
        if thread is None:
            raise ThreadNotFound.of(thread_id)
        run = await runs.get(conn, thread_id, run_id)
        if run is None:
            raise RunNotFound.of(thread_id, run_id)
        latest = await runs.latest(conn, thread_id)
        waits_here = run.status is RunStatus.PAUSED and latest is not None and latest.id == run.id
        if not waits_here and run.status not in (RunStatus.QUEUED, RunStatus.RUNNING):
            raise Conflict(f"Run {run_id} has ended: it is {run.status.value}.")
        await runs.cancel(conn, run_id, at)
        undelivered: list[str] = []
        if await runs.queued_resume(conn, thread_id) is None:
            undelivered = await outcomes.fail_pending(conn, thread_id, CANCELLED)
        if run.status is not RunStatus.QUEUED:
            await withdraw_open(conn, thread_id, run, by=by, office=office)
        if thread.busy:
            await leases.add_work(conn, thread_id)
        else:
            await threads.rest(conn, thread_id, at=at)
        await audit.append(
            conn,
            AuditEntry(
                event="run.cancelled",
                thread_id=thread_id,
                by=by,
                at=at,
                run_id=run_id,
                method=acting.method(by),
                before={"status": run.status.value},
                after={"status": RunStatus.CANCELLED.value},
            ),
            *(
                AuditEntry(
                    event="request.delivery_failed",
                    thread_id=thread_id,
                    by=by,
                    at=at,
                    request_id=request_id,
                    run_id=run_id,
                    data={"error": CANCELLED},
                )
                for request_id in undelivered
            ),
        )
        state = await threads.get(conn, thread_id) if is_told(run) else None
        await tell_end(
            conn, run, RunStatus.CANCELLED, values=state and state.values, error=None, at=at
        )
        await notices.cancel_run(conn, thread_id)
        await notices.thread_changed(conn, thread_id)
        cancelled = await runs.get(conn, thread_id, run_id)
        assert cancelled is not None
        return cancelled
