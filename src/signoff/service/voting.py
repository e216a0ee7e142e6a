"""What a vote makes of a request, and committing it under the lock of its thread."""

from __future__ import annotations

from signoff import acting
from signoff.db import votes
from signoff.db.decisions import Closing, Recording
from signoff.db.pool import Connection
from signoff.db.threads import Locked
from signoff.domain.admission import Reviewer
from signoff.domain.audit import of_request
from signoff.domain.decision import Ballot
from signoff.domain.jsontext import digest
from signoff.domain.request import Request
from signoff.domain.thread import Lease
from signoff.pauses.any_kind import check_ballot
from signoff.service.amend import keep
from signoff.service.office import Office
from signoff.service.resuming import resume_of
from signoff.service.reviewers import as_reviewer, check_fresh
from signoff.service.together import record_all


async def cast(
    conn: Connection,
    office: Office,
    thread: Locked,
    before: Request,
    ballot: Ballot,
    *,
    by: str,
    idempotency_key: str | None = None,
) -> tuple[Request, Lease | None]:
    """Count a vote on a request of a locked thread, in the caller's transaction.

    The request as it stands then; and if that closes it, and its thread is to go on in this
    process, the lease, to be handed to the office's worker once all is committed.

    Raises:
        As `signoff.service.decide.decide`; nothing was written.
    """
    reviewer = await as_reviewer(conn, by, at=office.now(), request=before)
    after = voted(office, before, ballot, reviewer)
    if after is before:
        return before, None
    if after.outcome is not None:
        return after, await _close(conn, office, closing_of(before, after, idempotency_key))
    vote = after.votes[-1]
    await votes.insert(
        conn,
        before.id,
        vote,
        idempotency_key=idempotency_key,
        fingerprint=fingerprint(ballot),
    )
    entry = of_request(
        "request.voted",
        before,
        after,
        by=by,
        at=vote.at,
        method=acting.method(by),
        data={**vote.to_json(), "digest": before.digest},
    )
    return after, await keep(conn, office, thread, before, after, entry, by=by)


async def _close(conn: Connection, office: Office, closing: Closing) -> Lease | None:
    run = resume_of(office, closing.seen, by=closing.entry.by)
    worker = None
    if office.hand is not None and run.graph in office.catalog:
        worker = office.hand.reach_out()
    recording = Recording(closings=[closing], run=run, worker=worker)
    [recorded] = await record_all(conn, office.jobs, [recording])
    assert recorded is not None
    assert recorded.closed, "the thread is locked, so nothing else closes it"
    return recorded.lease


def voted(office: Office, request: Request, ballot: Ballot, reviewer: Reviewer) -> Request:
    """The request with this vote, checked; the same object if it repeats one."""
    office.traces.link(request.traceparent)
    right = request.admit(reviewer)
    after = request.with_vote(ballot, by=reviewer.name, at=office.now(), right=right)
    if after is not request:
        check_ballot(request, ballot)
        check_fresh(request, reviewer.name, office.now())
    return after


def fingerprint(ballot: Ballot) -> str:
    """By what a decision is known again that comes once more."""
    return digest({"action": ballot.action, "values": ballot.values, "note": ballot.note})


def closing_of(seen: Request, after: Request, idempotency_key: str | None) -> Closing:
    """The closing of a request by the last of its votes."""
    vote = after.votes[-1]
    assert after.outcome is not None
    return Closing(
        seen=seen,
        after=after,
        vote=vote,
        fingerprint=digest({"action": vote.action, "values": vote.values, "note": vote.note}),
        idempotency_key=idempotency_key,
        entry=of_request(
            "request.decided",
            seen,
            after,
            by=vote.by,
            at=vote.at,
            method=acting.method(vote.by),
            data={"outcome": after.outcome.to_json(), "digest": seen.digest},
        ),
    )
