"""What a worker does with a thread: begin its next run, finish that, give the thread back."""

from __future__ import annotations

from datetime import datetime

from signoff.db import audit, leases, notices, outcomes, requests, runs, stream_events, threads
from signoff.db.group import Stream, Write
from signoff.db.pool import Connection
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import DatabaseNotReady, LeaseLost
from signoff.domain.principal import SYSTEM
from signoff.domain.request import Delivery
from signoff.domain.run import Run, RunStatus
from signoff.domain.thread import Lease, Thread, ThreadStatus
from signoff.graph.assignment import Assignment
from signoff.graph.runner import Result, described
from signoff.graph.wish import Wish
from signoff.service.office import Office
from signoff.service.stream import CANCELLED, done_data, error_data
from signoff.service.tell_run import is_told, tell_end
from signoff.service.withdraw_open import withdraw_open

BECAME: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "request.delivered": ({"delivery": Delivery.PENDING}, {"delivery": Delivery.DELIVERED}),
    "request.delivery_failed": ({"delivery": Delivery.PENDING}, {"delivery": Delivery.FAILED}),
    "run.failed": ({"status": RunStatus.RUNNING}, {"status": RunStatus.FAILED}),
}
"""What is as it was no longer after a run has ended, by what the audit calls it."""


async def begin_run(
    office: Office, lease: Lease, *, resting: ThreadStatus | None = None
) -> Assignment | None:
    """The thread's next run, begun; None if nothing is left, and then the thread is given back.

    `resting` is the status that it is given back with; None finds it out.

    Raises:
        LeaseLost: Somebody else holds the thread by now.
    """
    async with office.database.taking() as conn:
        while True:
            at = office.now()
            work, run = await runs.begin_next(conn, lease, at)
            if run is not None:
                known = await requests.known(conn, lease.thread_id)
                answers = await requests.answers(conn, lease.thread_id, known)
                return Assignment(
                    stream=Stream(lease),
                    work=work,
                    run=run,
                    known=known,
                    answers=answers,
                    trail=office.memory.trail(lease, known),
                )
            if await leases.release(conn, lease, work=work, status=resting, at=at):
                return None


async def finish_run(office: Office, assignment: Assignment, result: Result) -> Assignment | None:
    """Commit how a run ended, and begin the next; None if nothing is left.

    In that case the thread is given back in the transaction that saw nothing left.

    Raises:
        LeaseLost: Somebody else holds the thread by now; nothing was committed.
    """
    lease, run, at = assignment.lease, assignment.run, office.now()
    try:
        if result.error is None and await _rest(office, assignment, result, at):
            return None
    except (LeaseLost, DatabaseNotReady):
        raise
    except Exception as error:
        result = _refused(assignment, error)
    async with office.database.transaction() as conn:
        await leases.hold(conn, lease)
        ended = await runs.end(conn, run.id, result.status, error=result.error, at=at)
        if not ended or result.status is RunStatus.CANCELLED:
            # Cancelled meanwhile: what it has asked since then is taken back as well.
            result = Result(status=RunStatus.CANCELLED, values=result.values)
            await withdraw_open(conn, lease.thread_id, run, by=SYSTEM, office=office)
        await _settle(conn, run, result, office)
        said = None if result.stands else result.error
        await threads.record(conn, lease, values=result.values, error=said, at=at)
        await _stream_end(conn, run, result)
        await tell_end(conn, run, result.status, values=result.values, error=result.error, at=at)
        await notices.thread_changed(conn, lease.thread_id)
    return await begin_run(office, lease, resting=None if result.stands else _status(result))


async def _rest(office: Office, assignment: Assignment, result: Result, at: datetime) -> bool:
    """Give the thread back with the last of what the run has written, if there is no more to say.

    In any case, return once all that it has written is durable.
    """
    lease, run = assignment.lease, assignment.run
    write = Write(assignment.stream)
    for event in result.streamed:
        write.add("events", event)
    if (
        result.failed
        or result.recovered
        or result.status is RunStatus.CANCELLED
        or is_told(run)  # what follows from its end has a transaction of its own
    ):
        await office.group.commit(write)
        return False
    write.add(
        "rested",
        {
            "thread_id": lease.thread_id,
            "work": assignment.work,
            "status": _status(result).value,
            "values": result.values,
            "run_id": run.id,
            "run_status": result.status.value,
            "at": at,
        },
    )
    if Wish.of(run).modes:
        done = stream_events.row(run.thread_id, run.id, "metadata", done_data(run.id))
        write.add("events", done)
    rested = await office.group.commit(write)
    if rested is None:
        return False
    if result.pausing is not None:
        # Coming to rest has raised the epoch by one.
        office.memory.keep(lease.thread_id, lease.epoch + 1, result.pausing)
    known = None
    if result.values is not None:
        known = Thread(
            id=lease.thread_id,
            graph=rested.graph,
            status=_status(result),
            values=result.values,
            error=None,
            metadata=rested.metadata,
            created_at=rested.created_at,
            updated_at=at,
            state_updated_at=at,
        )
    office.notices.tell(lease.thread_id, known)
    return True


def _refused(assignment: Assignment, error: Exception) -> Result:
    """The end of a run that has written something which the database cannot keep."""
    reason = f"what the run has written was refused: {described(error)}"
    pending = [r.id for r in assignment.known if r.delivery is Delivery.PENDING]
    return Result(status=RunStatus.FAILED, error=reason, failed=dict.fromkeys(pending, reason))


async def hand_back(office: Office, worker: int, thread_ids: list[str] | None) -> None:
    """Free these threads of a worker, or all that it holds, and have another go on with them."""
    async with office.database.transaction() as conn:
        freed = await leases.hand_back(conn, worker, thread_ids)
        for thread_id, graph in freed.items():
            await office.jobs.look_at(conn, thread_id, graph)


async def pass_on(office: Office, assignment: Assignment) -> None:
    """Have a worker that serves the run's graph go on with a thread.

    Raises:
        LeaseLost: Somebody else holds the thread by now.
    """
    run = assignment.run
    async with office.database.transaction() as conn:
        await leases.pass_on(conn, assignment.lease, run.graph)
        await office.jobs.look_at(conn, run.thread_id, run.graph)


async def _settle(conn: Connection, run: Run, result: Result, office: Office) -> None:
    """Record on the requests how their outcomes fared. The checkpointer has recorded the most."""
    at = office.now()
    entries: list[tuple[str, str | None, str | None]] = []
    for request_id in result.recovered:
        if await outcomes.settle(conn, request_id, delivery=Delivery.DELIVERED, error=None, at=at):
            entries.append(("request.delivered", request_id, None))
    for request_id, error in result.failed.items():
        await outcomes.fail_delivery(conn, request_id, error)
        entries.append(("request.delivery_failed", request_id, error))
    if result.status is RunStatus.FAILED:
        entries.append(("run.failed", None, result.error))
    await audit.append(
        conn,
        *(
            AuditEntry(
                event=event,
                thread_id=run.thread_id,
                by=SYSTEM,
                at=at,
                request_id=request_id,
                run_id=run.id,
                data={} if error is None else {"error": error},
                before=BECAME[event][0],
                after=BECAME[event][1],
            )
            for event, request_id, error in entries
        ),
    )


async def _stream_end(conn: Connection, run: Run, result: Result) -> None:
    """Have those who follow a run know how it has ended."""
    if not Wish.of(run).modes:
        return
    error = result.error
    if result.status is RunStatus.CANCELLED:
        error = CANCELLED
    if error is not None:
        await stream_events.append(conn, run.thread_id, run.id, "error", error_data(error))
    await stream_events.append(conn, run.thread_id, run.id, "metadata", done_data(run.id))


def _status(result: Result) -> ThreadStatus:
    if result.status is RunStatus.FAILED:
        return ThreadStatus.ERROR
    return ThreadStatus.INTERRUPTED if result.status is RunStatus.PAUSED else ThreadStatus.IDLE
