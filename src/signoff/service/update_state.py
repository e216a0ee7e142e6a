"""Update a thread's state by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from signoff import acting
from signoff.db import audit, leases, notices, request_rows, requests, runs, threads
from signoff.db.group import Stream, Write, execute
from signoff.db.pool import Connection
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import (
    CheckpointNotFound,
    Conflict,
    Forbidden,
    ThreadBusy,
    ThreadNotFound,
)
from signoff.domain.jsontext import check
from signoff.domain.principal import check_principal
from signoff.domain.question import BREAKPOINT
from signoff.domain.request import Request, RequestState
from signoff.domain.run import Run
from signoff.domain.thread import Lease
from signoff.graph import update
from signoff.graph.breakpoints import Stop
from signoff.graph.catalog import Served
from signoff.graph.gate import question_of
from signoff.graph.opening import opened_entry
from signoff.graph.state import Place
from signoff.ids import is_id
from signoff.service.office import Office
from signoff.service.reviewers import as_reviewer, check_fresh

UPDATED = "The state was changed by hand while this was open."


async def update_state(
    office: Office, place: Place, values: Any, *, as_node: str | None, by: str
) -> dict[str, Any]:
    """Write a new state of a thread, as if a node had just returned `values`; its checkpoint.

    The thread's row stays locked from the look whether anybody works on the thread until the
    commit, and everything is written on that connection, in that transaction. Whoever takes a
    lease needs this lock, so there is one writer as ever, with nothing to hand back and nothing
    that a crash could leave behind. The epoch is raised, so that a write which an earlier holder
    may still have on its way is refused. Open requests that the update leaves behind are
    superseded; since that may stand in for an answer, it takes somebody who could decide them
    alone. Where the thread stands at a breakpoint, it is asked anew with the new state.

    Raises:
        Forbidden: The thread asks something that this principal may not decide.
        SignInTooOld: It asks something that they may decide once they have signed in again.
        ThreadNotFound, CheckpointNotFound: There is no such thread or checkpoint.
        GraphNotFound: The thread's graph is not served here.
        ThreadBusy: A run is under way.
        Conflict: The thread has no graph yet, or the graph took too long.
        InvalidInput: The graph does not take these values here.
        TooLarge: The values are over 1 MiB.
    """
    check_principal(by)
    check(values, where="/values")
    if place.id is not None and not is_id(place.id):
        raise CheckpointNotFound(f"Thread {place.thread_id} has no checkpoint {place.id!r}.")
    at = office.now()
    async with office.database.transaction() as conn:
        thread = await threads.lock(conn, place.thread_id)
        if thread is None:
            raise ThreadNotFound.of(place.thread_id)
        if thread.busy:
            raise ThreadBusy(f"A run is under way on thread {thread.id}.")
        if thread.graph is None:
            raise Conflict(f"Thread {thread.id} has no graph yet: start a run on it first.")
        served = office.catalog.find(thread.graph)
        known = await requests.known(conn, thread.id)
        await _check_answerable(conn, known, by, at)
        latest = await runs.latest(conn, thread.id)
        updated = await update.update_state(
            conn, served, place, values, as_node=as_node, breaks=latest.options if latest else {}
        )
        lease = await leases.fence(conn, thread.id)
        await threads.record(conn, lease, values=updated.values, error=None, at=at)
        await _ask(conn, office, served, lease, updated.stops, latest, known)
        await threads.rest(conn, thread.id, at=at)
        await audit.append(
            conn,
            AuditEntry(
                event="thread.updated",
                thread_id=thread.id,
                by=by,
                at=at,
                data={"checkpoint_id": updated.checkpoint["checkpoint_id"], "as_node": as_node},
                method=acting.method(by),
                checkpoints=(updated.before, updated.checkpoint["checkpoint_id"]),
            ),
        )
        await notices.thread_changed(conn, thread.id)
    return updated.checkpoint


async def _ask(
    conn: Connection,
    office: Office,
    served: Served,
    lease: Lease,
    stops: Sequence[Stop],
    run: Run | None,
    known: Sequence[Request],
) -> None:
    """Ask anew where the thread stands at a breakpoint: the state is another one."""
    if not stops:
        return
    left = [each for each in known if each.kind == BREAKPOINT and each.state is RequestState.OPEN]
    involved = [name for each in known for name in each.involved]
    write = Write(Stream(lease))
    for stop in stops:
        request = served.saver.opener.open(
            question_of(served, stop),
            stop.pause(lease.thread_id, served.name, again=0),
            at=office.now(),
            run_id=run.id if run else None,
            involved=involved or ([run.by] if run else []),
            revises=left[0].id if left else None,
            remark=UPDATED if left else None,
        )
        write.add("opened", request_rows.row(request))
        write.add("audit", audit.row(opened_entry(request)))
    await execute(conn, [write])


async def _check_answerable(
    conn: Connection, known: Sequence[Request], by: str, at: datetime
) -> None:
    """Return if somebody could close all that a thread asks by themselves.

    Raises:
        Forbidden: They could not.
        SignInTooOld: They could, once they have signed in again.
    """
    for request in known:
        if request.state is RequestState.OPEN:
            request.admit(await as_reviewer(conn, by, at=at, request=request))
            check_fresh(request, by, at)
            if request.missing > 1:
                raise Forbidden(
                    f"Request {request.id} takes {request.missing} more votes: nobody stands in "
                    "for them by writing a state."
                )
