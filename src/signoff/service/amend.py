"""Change an open request by a transition of it: claims, delegations, comments, withdrawal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from signoff import acting
from signoff.db import audit, notices, requests, runs, threads, users
from signoff.db.pool import Connection
from signoff.domain.admission import Reviewer
from signoff.domain.audit import AuditEntry, of_request
from signoff.domain.errors import InvalidInput, RequestNotFound
from signoff.domain.principal import check_principal
from signoff.domain.request import Request, RequestState
from signoff.domain.thread import Lease
from signoff.domain.user import People
from signoff.service.office import Office, give_work
from signoff.service.resuming import run_from
from signoff.service.reviewers import as_reviewer, check_fresh

Transition = Callable[[Request, Reviewer, datetime], Request]


async def amend(
    office: Office,
    request_id: str,
    transition: Transition,
    *,
    by: str,
    event: str,
    data: Callable[[Request], dict[str, Any]] = lambda _request: {},
    fresh: bool = False,
) -> Request:
    """Commit what a transition makes of a request, with its audit entry; unchanged, if nothing.

    If that closes the request with an outcome, its thread goes on. What is as much as a decision
    takes a `fresh` sign-in, where the policy asks for one.

    Raises:
        RequestNotFound: There is no such request.
        SignInTooOld: They have to sign in again first.
        SignoffError: What the transition raises; nothing was changed.
    """
    check_principal(by)
    lease = None
    async with office.database.transaction() as conn:
        locked = await requests.lock(conn, request_id)
        if locked is None:
            raise RequestNotFound.of(request_id)
        thread, before = locked
        at = office.now()
        reviewer = await as_reviewer(conn, by, at=at, request=before)
        after = transition(before, reviewer, at)
        if after is before:
            return before
        if fresh:
            check_fresh(before, by, at)
        entry = of_request(
            event, before, after, by=by, at=at, method=acting.method(by), data=data(after)
        )
        lease = await keep(conn, office, thread, before, after, entry, by=by)
    office.take(lease)
    return after


async def keep(
    conn: Connection,
    office: Office,
    thread: threads.Locked,
    before: Request,
    after: Request,
    *entries: AuditEntry,
    by: str,
) -> Lease | None:
    """Write a changed request of a locked thread; this process's lease, if it is to go on here."""
    saved = await requests.save(conn, before, after)
    assert saved, "the thread is locked, so nobody else has changed the request"
    await audit.append(conn, *entries)
    lease = None
    if after.outcome is not None:
        run = await run_from(conn, office, after, by=by)
        await runs.insert(conn, run)
        lease = await give_work(conn, office, thread, after.graph, run.created_at)
    elif after.state is RequestState.WITHDRAWN and not thread.busy:
        await threads.rest(conn, thread.id, at=office.now())
    await notices.thread_changed(conn, thread.id)
    return lease


async def claim(office: Office, request_id: str, *, by: str) -> Request:
    """Show that one works on a request; all others may still decide it.

    Raises:
        RequestNotFound, RequestClosed, Forbidden, AlreadyClaimed
    """
    return await amend(
        office,
        request_id,
        lambda request, reviewer, _at: request.claim(reviewer),
        by=by,
        event="request.claimed",
    )


async def release(office: Office, request_id: str, *, by: str) -> Request:
    """Give up one's claim.

    Raises:
        RequestNotFound, RequestClosed, AlreadyClaimed
    """
    return await amend(
        office,
        request_id,
        lambda request, reviewer, _at: request.release(reviewer.name),
        by=by,
        event="request.released",
    )


async def delegate(office: Office, request_id: str, to: str, *, by: str) -> Request:
    """Hand a request on to a user or a ``group:``, who may then decide it with the same right.

    Raises:
        RequestNotFound, RequestClosed, Forbidden, SignInTooOld
        InvalidInput: `to` is nobody who could decide it, or whom a desk with users does not know.
    """
    async with office.database.connection() as conn:
        people = People.of(await users.everyone(conn))

    def handed_on(request: Request, reviewer: Reviewer, at: datetime) -> Request:
        after = request.delegate(reviewer, to, at=at)
        if people.users and (message := people.stranger(to)):
            raise InvalidInput.of("to", message)
        return after

    return await amend(
        office,
        request_id,
        handed_on,
        by=by,
        event="request.delegated",
        data=lambda after: after.delegations[-1].to_json(),
        fresh=True,
    )


async def comment(office: Office, request_id: str, text: str, *, by: str) -> Request:
    """Say something on a request.

    Raises:
        RequestNotFound, RequestClosed
        InvalidInput: The text is empty or too long.
    """
    return await amend(
        office,
        request_id,
        lambda request, reviewer, at: request.comment(text, by=reviewer.name, at=at),
        by=by,
        event="request.commented",
        data=lambda after: {"text": after.comments[-1].text},
    )


async def withdraw(office: Office, request_id: str, *, by: str, note: str | None = None) -> Request:
    """Take a request back, without an outcome; its thread stays where it is.

    Raises:
        RequestNotFound, RequestClosed, Forbidden, SignInTooOld
    """
    return await amend(
        office,
        request_id,
        lambda request, reviewer, at: request.withdraw(reviewer, at=at),
        by=by,
        event="request.withdrawn",
        data=lambda _after: {"note": note},
        fresh=True,
    )


async def take_back(office: Office, request_id: str, *, by: str) -> Request:
    """Take one's vote back, while the request is open.

    Raises:
        RequestNotFound, RequestClosed, SignInTooOld
    """
    return await amend(
        office,
        request_id,
        lambda request, reviewer, _at: request.without_vote(reviewer.name),
        by=by,
        event="request.vote_taken_back",
        fresh=True,
    )
