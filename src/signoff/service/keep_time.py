"""What happens to requests by themselves: reminders, escalations, deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from signoff.db import audit, due, notices
from signoff.db.decisions import Closing, Recorded, Recording
from signoff.db.pool import Connection
from signoff.domain.audit import AuditEntry, of_request
from signoff.domain.errors import DatabaseUnreachable
from signoff.domain.principal import SYSTEM
from signoff.domain.request import Request
from signoff.domain.timetable import Moment, MomentKind
from signoff.log import get_logger
from signoff.service.office import Hand, Office
from signoff.service.resuming import resume_of
from signoff.service.together import record_all

log = get_logger(__name__)

BATCH = 200
"""Requests that are seen to in one transaction; its locks are held for a tenth of a second."""

LANES = 2
"""Such transactions at a time: while the database has one, this process goes on with another."""

EVENTS = {
    MomentKind.REMIND: "request.reminded",
    MomentKind.ESCALATE: "request.escalated",
    MomentKind.EXPIRE: "request.overdue",
}
"""What the audit calls a moment that leaves its request open."""


async def keep_time(office: Office) -> int:
    """Do all that is due by now, once whatever the number of workers; how many requests it met.

    Many requests are seen to in one transaction, under the locks of their threads, as a decision
    is: of a decision and a deadline in the same instant exactly one comes first. What somebody
    else has locked is left to the next time. What cannot be done is put off, with its error kept,
    so that one bad row does not hold up the rest.
    """
    async with office.database.connection() as conn:
        if not await due.any_due(conn, office.now()):
            return 0
    # One of them hands work over to this process, so that it is no more than there is room for.
    lanes = [
        _see_to_all(office, office.hand),
        *(_see_to_all(office, None) for _ in range(1, LANES)),
    ]
    met = 0
    for each in await asyncio.gather(*lanes, return_exceptions=True):
        if isinstance(each, BaseException):
            raise each
        met += each
    return met


async def _see_to_all(office: Office, hand: Hand | None) -> int:
    met, limit = 0, BATCH
    while True:
        now, claimed = office.now(), list[str]()
        try:
            met += await _see_to(office, hand, now, limit, claimed)
        except DatabaseUnreachable:
            raise
        except Exception as error:
            if len(claimed) > 1:  # One of them is bad: find out which, by seeing to fewer.
                limit = len(claimed) // 2
                continue
            if not claimed:
                raise
            log.exception("something that is due could not be done", request_id=claimed[0])
            async with office.database.connection() as conn:
                await due.put_off(conn, {claimed[0]: error}, now)
            met += 1
        if not claimed:
            return met
        limit = min(2 * limit, BATCH)


async def _see_to(
    office: Office, hand: Hand | None, now: datetime, limit: int, claimed: list[str]
) -> int:
    """Do what is due for up to `limit` requests; how many those were.

    `claimed` is told which they are, whatever happens then; some may be found done already.
    """
    async with office.database.transaction() as conn:
        claimed += await due.claim(conn, now, limit)
        if not claimed:
            return 0
        with office.traces.span("due", begins=True, requests=len(claimed)):
            requests, unreadable = await due.read(conn, claimed, now)
            for request in requests:
                office.traces.link(request.traceparent)
            passed, errors = _advance(requests, now)
            errors |= unreadable
            for request_id, error in errors.items():
                log.error(
                    "something that is due could not be done", request_id=request_id, exc_info=error
                )
            await due.put_off(conn, errors, now)
            kept = await due.keep(conn, passed.open)
            assert kept == len(passed.open), "the threads are locked, so nobody else changes them"
            await audit.append(conn, *passed.entries)
            recorded = await _close(conn, office, _recordings(office, hand, passed.closings))
            await notices.threads_changed(conn, sorted({each.thread_id for each in requests}))
    for done in recorded:
        if done.lease is not None and hand is not None:
            hand.take(done.lease)
    return len(requests) + len(unreadable)


@dataclass(slots=True)
class _Passed:
    """What time has made of requests: those that stay open, before and after, what the audit says
    of them and of all that came before a closing, and the closings."""

    open: list[tuple[Request, Request]] = field(default_factory=list)
    entries: list[AuditEntry] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)


def _advance(requests: Sequence[Request], now: datetime) -> tuple[_Passed, dict[str, Exception]]:
    """Advance requests; and the errors of those for which that raises."""
    passed, errors = _Passed(), dict[str, Exception]()
    for before in requests:
        try:
            after, done = before.advance(now)
            entries = [_entry(after, after, moment) for moment in done[:-1]]
            entries += [_entry(before, after, moment) for moment in done[-1:]]
        except Exception as error:
            errors[before.id] = error
            continue
        if after.outcome is not None:
            passed.closings.append(Closing(seen=before, after=after, entry=entries.pop()))
        else:
            passed.open.append((before, after))
        passed.entries += entries
    return passed, errors


def _recordings(office: Office, hand: Hand | None, closings: Sequence[Closing]) -> list[Recording]:
    """The closings by thread; the `hand` goes on with as many as it has room for."""
    of_thread: dict[str, list[Closing]] = {}
    for closing in closings:
        of_thread.setdefault(closing.seen.thread_id, []).append(closing)
    recordings, room = [], hand.room() if hand is not None else 0
    for together in of_thread.values():
        run = resume_of(office, together[0].seen, by=SYSTEM)
        worker = None
        if hand is not None and room and run.graph in office.catalog:
            worker, room = hand.reach_out(), room - 1
        recordings.append(Recording(closings=together, run=run, worker=worker))
    return recordings


async def _close(
    conn: Connection, office: Office, recordings: Sequence[Recording]
) -> list[Recorded]:
    if not recordings:
        return []
    recorded = [done for done in await record_all(conn, office.jobs, recordings) if done]
    closed = sum(done.closed for done in recorded)
    expected = sum(len(each.closings) for each in recordings)
    assert closed == expected, "the threads are locked, so nobody else closes them"
    return recorded


def _entry(before: Request, after: Request, moment: Moment) -> AuditEntry:
    event, data = EVENTS[moment.kind], moment.to_json()
    if moment.kind is MomentKind.EXPIRE and after.outcome is not None:
        event, data = "request.expired", {**data, "outcome": after.outcome.to_json()}
    if moment.kind is MomentKind.ESCALATE:
        data |= after.policy.escalate[moment.step].to_json()
    at = after.closed_at or max(m.passed_at for m in after.timetable if m.passed_at is not None)
    return of_request(event, before, after, by=SYSTEM, at=at, data=data)
