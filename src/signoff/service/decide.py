"""Decide a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from signoff.db import requests, runs, votes
from signoff.db.decisions import Closing, Recorded, Recording
from signoff.db.group import Stream
from signoff.db.pool import Connection, UniqueViolation
from signoff.db.requests import Found, derive_answers
from signoff.db.threads import lock
from signoff.domain.admission import Reviewer
from signoff.domain.decision import Ballot
from signoff.domain.errors import (
    Conflict,
    FieldError,
    Forbidden,
    IdempotencyKeyReused,
    InvalidAnswer,
    InvalidInput,
    NothingPending,
    RequestNotFound,
    ThreadNotFound,
    Unauthenticated,
    UnknownPause,
)
from signoff.domain.jsontext import check
from signoff.domain.principal import check_principal
from signoff.domain.request import Request, RequestState
from signoff.domain.run import Run, RunStatus
from signoff.domain.thread import is_thread_id
from signoff.graph.assignment import Assignment
from signoff.ids import is_id, is_interrupt_id
from signoff.pauses.any_kind import ballot_of
from signoff.service.office import Office
from signoff.service.resuming import NO_TERMS, Terms, resume_of
from signoff.service.reviewers import as_reviewer
from signoff.service.together import record_all
from signoff.service.voting import cast, closing_of, fingerprint, voted

MAX_KEY = 255
"""The longest idempotency key, in characters."""


async def decide(
    office: Office,
    request_id: str,
    ballot: Ballot,
    *,
    by: str,
    idempotency_key: str | None = None,
) -> Request:
    """Count one vote. The closing vote, its audit entry and the run that resumes commit together.

    A repeat of one's own vote, or of an idempotency key with the same ballot, changes nothing and
    returns the request as it stands.

    Raises:
        RequestNotFound: There is no such request.
        RequestClosed: Something else has closed it.
        Forbidden: The policy does not admit this principal.
        SignInTooOld: It does, once they have signed in again.
        StaleDigest: The reviewer saw another question than the one that stands.
        InvalidAnswer: The action, the values or the note do not fit the question.
        IdempotencyKeyReused: This principal has used the key for another ballot.
    """
    check_principal(by)
    if idempotency_key is not None:
        _check_key(idempotency_key)
    if not isinstance(ballot.note, str | None):
        raise InvalidAnswer("the note is no text", [FieldError("/note", "must be a string")])
    if not is_id(request_id):
        raise RequestNotFound.of(request_id)
    request_id = request_id.lower()
    with office.traces.span("decide", request_id=request_id, action=ballot.action):
        return await _decide(office, request_id, ballot, by, idempotency_key)


def _check_key(key: object) -> None:
    if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY:
        raise InvalidInput(f"an idempotency key has 1 to {MAX_KEY} characters")
    check(key, where="idempotency key")


async def _decide(
    office: Office, request_id: str, ballot: Ballot, by: str, idempotency_key: str | None
) -> Request:
    if (after := await _decide_unseen(office, request_id, ballot, by, idempotency_key)) is not None:
        return after
    while True:
        async with office.database.connection() as conn:
            found = await requests.with_known(conn, request_id)
            if found is None:
                raise RequestNotFound.of(request_id)
            if idempotency_key is not None and await _repeats(
                conn, request_id, ballot, by, idempotency_key
            ):
                # The vote may have come between the two looks: what stands is what it has left.
                return await requests.get(conn, request_id) or found.request
            reviewer = await as_reviewer(conn, by, at=office.now(), request=found.request)
        after = voted(office, found.request, ballot, reviewer)
        if after is found.request:
            return after
        if after.outcome is None:
            return await _count(office, request_id, ballot, by, idempotency_key)
        closing = closing_of(found.request, after, idempotency_key)
        run = resume_of(office, found.request, by=by)
        if (await _record(office, found, closing, run)).closed:
            return after
        # Somebody was faster: see what stands now, and answer to that.


async def _decide_unseen(
    office: Office, request_id: str, ballot: Ballot, by: str, idempotency_key: str | None
) -> Request | None:
    """Close a request as it is remembered, without a look; None if it takes one after all.

    Recording finds out whether it still stands so. Whatever speaks against it may have changed
    meanwhile, so nothing is refused from memory.
    """
    known = office.memory.of_request(request_id)
    if known is None or known.request is None or known.request.policy.to:
        return None
    seen = known.request
    try:
        after = voted(office, seen, ballot, Reviewer(name=by))
        if after.outcome is None:
            return None
        closing = closing_of(seen, after, idempotency_key)
        found = Found(seen, [seen], known.epoch)
        recorded = await _record(office, found, closing, resume_of(office, seen, by=by))
        return after if recorded.closed else None
    except (Forbidden, Unauthenticated, Conflict, InvalidInput):
        return None


async def _count(
    office: Office, request_id: str, ballot: Ballot, by: str, idempotency_key: str | None
) -> Request:
    """Commit a vote, as it stands under the lock of the thread; it seemed to close nothing."""
    try:
        async with office.database.transaction() as conn:
            locked = await requests.lock(conn, request_id)
            if locked is None:
                raise RequestNotFound.of(request_id)
            thread, before = locked
            after, lease = await cast(
                conn, office, thread, before, ballot, by=by, idempotency_key=idempotency_key
            )
    except UniqueViolation as error:
        raise _key_reused() from error
    office.take(lease)
    return after


def _key_reused() -> IdempotencyKeyReused:
    return IdempotencyKeyReused(
        "This idempotency key was used for another decision at the same time."
    )


async def _record(office: Office, found: Found, closing: Closing, run: Run) -> Recorded:
    """Commit a closing, and have its thread go on; nothing if the request is not as it was seen."""
    hand = office.hand
    worker = hand.reach_out() if hand is not None and run.graph in office.catalog else None
    try:
        recorded = await office.together.record(
            Recording(closings=[closing], run=run, worker=worker), left=office.take
        )
    except UniqueViolation as error:
        raise _key_reused() from error
    lease = recorded.lease
    if lease is None or hand is None:
        return recorded
    known = [closing.after if r.id == closing.after.id else r for r in found.known]
    answers = derive_answers(known)
    if answers is None or lease.epoch != found.epoch + 1:
        # There is more to look up, or the thread went on and came to rest since it was read.
        hand.take(lease)
        return recorded
    hand.take(
        Assignment(
            stream=Stream(lease),
            work=recorded.work,
            run=replace(run, **recorded.settings, status=RunStatus.RUNNING, attempt=1),
            known=known,
            answers=answers,
            trail=office.memory.trail(lease, known),
        )
    )
    return recorded


async def resume(
    office: Office,
    thread_id: str,
    answer: Any,
    *,
    by: str,
    graph: str | None = None,
    terms: Terms = NO_TERMS,
) -> Run:
    """Decide what a thread waits for by a resume value of LangGraph's own form; the resuming run.

    A dict whose keys all look like ids of interrupts answers each of these; anything else is the
    answer to the one question that is pending. It is a decision like any other, under the same
    policy; either all of them are taken or none. `graph` is the one that the caller expects there,
    and `terms` what the caller says of the run that goes on.

    Raises:
        ThreadNotFound: There is no such thread.
        NotSupported: It would have to go on with other terms than it was started with.
        Conflict: It is a thread of another graph.
        NothingPending: The thread waits for no answer, or for several and it is not said which.
        UnknownPause: An interrupt that is named is not, or no longer, pending; or none is named.
        RequestClosed, InvalidAnswer: As in `decide`.
    """
    check_principal(by)
    if not is_thread_id(thread_id):
        raise ThreadNotFound.of(thread_id)
    with office.traces.span("decide", thread_id=thread_id):
        run = None
        if not terms:
            run = await _resume_one(office, thread_id, answer, by=by, graph=graph)
        return run or await _resume(office, thread_id, answer, by, graph, terms)


async def _resume(
    office: Office, thread_id: str, answer: Any, by: str, graph: str | None, terms: Terms
) -> Run:
    async with office.database.transaction() as conn:
        thread = await lock(conn, thread_id)
        if thread is None:
            raise ThreadNotFound.of(thread_id)
        if graph is not None and thread.graph not in (None, graph):
            raise Conflict(f"Thread {thread_id} is one of graph {thread.graph!r}, not {graph!r}.")
        waiting = [r for r in await requests.known(conn, thread_id) if _waits(r)]
        closings = []
        for request, value in _match(thread_id, waiting, answer):
            reviewer = await as_reviewer(conn, by, at=office.now(), request=request)
            after = voted(office, request, ballot_of(request, value), reviewer)
            if after.outcome is None:
                raise Conflict(
                    f"Request {request.id} takes {request.policy.quorum} votes to go on: vote on "
                    "the request itself."
                )
            closings.append(closing_of(request, after, None))
        run = resume_of(office, closings[0].seen, by=by)
        worker = None
        if office.hand is not None and run.graph in office.catalog and not terms:
            worker = office.hand.reach_out()
        recording = Recording(closings=closings, run=run, worker=worker)
        [recorded] = await record_all(conn, office.jobs, [recording])
        assert recorded is not None
        assert recorded.closed == len(closings), "the thread is locked, so nothing else closes them"
        if recorded.run_queued:
            run = replace(run, **recorded.settings)
        else:
            run = await _queued(conn, thread_id)
        if terms:
            terms.check(run)
            await runs.add_terms(conn, run.id, options=terms.options, metadata=terms.metadata)
            run = await _queued(conn, thread_id)
    office.take(recorded.lease)
    return run


async def _resume_one(
    office: Office, thread_id: str, answer: Any, *, by: str, graph: str | None
) -> Run | None:
    """Resume a thread that asks one question, without a lock; None where it takes one to tell.

    All that speaks against it is left to be said under the lock.
    """
    known, epoch = await office.together.known(thread_id)
    waiting = [each for each in known if _waits(each)]
    if len(waiting) != 1 or graph not in (None, waiting[0].graph):
        return None
    [request] = waiting
    reviewer = Reviewer(name=by)
    if request.policy.to:
        async with office.database.connection() as conn:
            reviewer = await as_reviewer(conn, by, at=office.now(), request=request)
    try:
        [(_, value)] = _match(thread_id, waiting, answer)
        after = voted(office, request, ballot_of(request, value), reviewer)
    except (Forbidden, Unauthenticated, Conflict, InvalidInput):
        return None
    if after.outcome is None:
        return None
    run = resume_of(office, request, by=by)
    found = Found(request, known, epoch)
    recorded = await _record(office, found, closing_of(request, after, None), run)
    if recorded.closed and not recorded.run_queued:
        async with office.database.connection() as conn:
            return await _queued(conn, thread_id)
    return replace(run, **recorded.settings) if recorded.closed else None


async def _queued(conn: Connection, thread_id: str) -> Run:
    """The resume that a closing has joined; it may be under way by now."""
    run = await runs.queued_resume(conn, thread_id) or await runs.latest(conn, thread_id)
    assert run is not None, "a resume that could not be queued was queued before"
    return run


def _waits(request: Request) -> bool:
    return request.state is RequestState.OPEN


def _match(thread_id: str, waiting: list[Request], answer: Any) -> list[tuple[Request, Any]]:
    by_interrupt: Mapping[str, Request] = {r.pause.interrupt_id: r for r in waiting}
    if not waiting:
        raise NothingPending(f"Thread {thread_id} waits for no answer.")
    if isinstance(answer, dict) and all(is_interrupt_id(key) for key in answer):
        unknown = sorted(answer.keys() - by_interrupt.keys())
        if unknown or not answer:
            wrong = f"Thread {thread_id} does not wait for interrupt {', '.join(unknown)}"
            if not answer:
                wrong = f"The answer names no interrupt of thread {thread_id}"
            raise UnknownPause(f"{wrong}: it waits for {', '.join(by_interrupt)}.")
        return [(by_interrupt[key], value) for key, value in answer.items()]
    if len(waiting) > 1:
        raise NothingPending(
            f"Thread {thread_id} waits for {len(waiting)} answers: name the interrupt of each "
            f"({', '.join(by_interrupt)})."
        )
    return [(waiting[0], answer)]


async def _repeats(
    conn: Connection, request_id: str, ballot: Ballot, by: str, idempotency_key: str
) -> bool:
    keyed = await votes.by_key(conn, by, idempotency_key)
    if keyed is None:
        return False
    if (keyed.request_id, keyed.fingerprint) != (request_id, fingerprint(ballot)):
        raise IdempotencyKeyReused("This idempotency key was used for another decision.")
    return True
