"""What happens to requests by themselves: reminders, escalations, deadlines."""

from __future__ import annotations

from datetime import datetime

import structlog

from signoff.db import audit, notices, requests, runs, threads
from signoff.db.pool import Connection
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import SignoffError
from signoff.domain.principal import SYSTEM
from signoff.domain.request import Request, RequestState
from signoff.domain.thread import Lease
from signoff.domain.timetable import Moment, MomentKind
from signoff.service.office import Office, give_work
from signoff.service.resuming import run_from

log = structlog.get_logger(__name__)

BATCH = 200
"""Requests looked at in one round; each thread's are committed together."""

EVENTS = {
    MomentKind.REMIND: "request.reminded",
    MomentKind.ESCALATE: "request.escalated",
    MomentKind.EXPIRE: "request.overdue",
}
"""What the audit calls a moment that leaves its request open."""


async def keep_time(office: Office) -> int:
    """Do all that is due by now, once whatever the number of workers; how many requests it met.

    Each thread's requests are looked at under the lock of the thread, as a decision is: of a
    decision and a deadline in the same instant exactly one comes first. What cannot be done is
    put off, with its error kept, so that one bad row does not hold up the rest.
    """
    met = 0
    while True:
        now = office.now()
        async with office.database.connection() as conn:
            due = await requests.due(conn, now, BATCH)
        if not due:
            return met
        for thread_id, ids in due.items():
            await _advance(office, thread_id, ids, now)
            met += len(ids)


async def _advance(office: Office, thread_id: str, ids: list[str], now: datetime) -> None:
    leases: list[Lease] = []
    try:
        async with office.database.transaction() as conn:
            thread = await threads.lock(conn, thread_id)
            if thread is None:
                return
            for before in await requests.several(conn, ids):
                if before.state is not RequestState.OPEN:
                    continue
                after, done = before.advance(now)
                if after is before:
                    continue
                lease = await _keep(conn, office, thread, before, after, done)
                leases += [lease] if lease else []
                thread = await threads.lock(conn, thread_id) or thread
    except (SignoffError, AssertionError) as error:
        log.exception("a deadline could not be kept", thread_id=thread_id)
        async with office.database.connection() as conn:
            await requests.put_off(conn, ids, now, str(error))
        return
    for lease in leases:
        if office.hand is not None:
            office.hand.take(lease)


async def _keep(
    conn: Connection,
    office: Office,
    thread: threads.Locked,
    before: Request,
    after: Request,
    done: tuple[Moment, ...],
) -> Lease | None:
    saved = await requests.save(conn, before, after)
    assert saved, "the thread is locked, so nobody else has changed the request"
    await audit.append(conn, *(_entry(after, moment) for moment in done))
    await notices.thread_changed(conn, thread.id)
    if after.outcome is None:
        return None
    run = await run_from(conn, office, after, by=SYSTEM)
    await runs.insert(conn, run)
    return await give_work(conn, office, thread, after.graph, run.created_at)


def _entry(after: Request, moment: Moment) -> AuditEntry:
    event, data = EVENTS[moment.kind], moment.to_json()
    if moment.kind is MomentKind.EXPIRE and after.outcome is not None:
        event, data = "request.expired", {**data, "outcome": after.outcome.to_json()}
    if moment.kind is MomentKind.ESCALATE:
        data |= after.policy.escalate[moment.step].to_json()
    at = after.closed_at or max(m.passed_at for m in after.timetable if m.passed_at is not None)
    return AuditEntry(
        event=event,
        thread_id=after.thread_id,
        by=SYSTEM,
        at=at,
        request_id=after.id,
        data=data,
    )
