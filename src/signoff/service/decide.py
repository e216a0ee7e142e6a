"""Decide a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signoff.db import audit, requests, runs, votes
from signoff.db.pool import Connection, UniqueViolation
from signoff.db.threads import Locked, lock
from signoff.domain.audit import AuditEntry
from signoff.domain.decision import Ballot
from signoff.domain.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    NothingPending,
    RequestNotFound,
    ThreadNotFound,
)
from signoff.domain.jsontext import digest
from signoff.domain.principal import check_principal
from signoff.domain.request import Request, RequestState
from signoff.domain.run import Run, RunKind, RunStatus
from signoff.domain.thread import Lease
from signoff.graph.pauses import ballot_of, check_ballot
from signoff.ids import new_id
from signoff.service.office import Office, give_work

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
        StaleDigest: The reviewer saw another question than the one that stands.
        InvalidAnswer: The action, the values or the note do not fit the question.
        IdempotencyKeyReused: This principal has used the key for another ballot.
    """
    check_principal(by)
    if idempotency_key is not None and not 0 < len(idempotency_key) <= MAX_KEY:
        raise InvalidInput(f"an idempotency key has 1 to {MAX_KEY} characters")
    try:
        async with office.database.transaction() as conn:
            if idempotency_key is not None and await _repeats(
                conn, request_id, ballot, by, idempotency_key
            ):
                found = await requests.get(conn, request_id)
                assert found is not None
                return found
            locked = await requests.lock(conn, request_id)
            if locked is None:
                raise RequestNotFound(f"There is no request {request_id}.")
            thread, request = locked
            after = await _vote(conn, office, request, ballot, by, idempotency_key)
            lease = None
            if after is not request:
                _, lease = await _resume(conn, office, thread, request.pause.graph, by)
    except UniqueViolation as error:
        raise IdempotencyKeyReused(
            "This idempotency key was used for another decision at the same time."
        ) from error
    if lease is not None and office.hand is not None:
        office.hand.take(lease)
    return after


async def resume(office: Office, thread_id: str, answer: Any, *, by: str) -> Run:
    """Decide what a thread waits for by a resume value of LangGraph's own form; the resuming run.

    A dict whose keys are all ids of pending interrupts answers each of these; anything else is the
    answer to the one question that is pending. It is a decision like any other, under the same
    policy; either all of them are taken or none.

    Raises:
        ThreadNotFound: There is no such thread.
        NothingPending: The thread waits for no answer, or for several and it is not said which.
        RequestClosed, InvalidAnswer: As in `decide`.
    """
    check_principal(by)
    async with office.database.transaction() as conn:
        thread = await lock(conn, thread_id)
        if thread is None:
            raise ThreadNotFound(f"There is no thread {thread_id}.")
        waiting = [r for r in await requests.known(conn, thread_id) if _waits(r)]
        for request, value in _match(thread_id, waiting, answer):
            await _vote(conn, office, request, ballot_of(request, value), by, None)
        assert thread.graph is not None
        run, lease = await _resume(conn, office, thread, thread.graph, by)
        if run is None:
            run = await runs.queued_resume(conn, thread_id)
            assert run is not None, "a resume that could not be queued was queued before"
    if lease is not None and office.hand is not None:
        office.hand.take(lease)
    return run


def _waits(request: Request) -> bool:
    return request.state is RequestState.OPEN


def _match(thread_id: str, waiting: list[Request], answer: Any) -> list[tuple[Request, Any]]:
    by_interrupt: Mapping[str, Request] = {r.pause.interrupt_id: r for r in waiting}
    if not waiting:
        raise NothingPending(f"Thread {thread_id} waits for no answer.")
    if isinstance(answer, dict) and answer and answer.keys() <= by_interrupt.keys():
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
    if (keyed.request_id, keyed.fingerprint) != (request_id.lower(), _fingerprint(ballot)):
        raise IdempotencyKeyReused("This idempotency key was used for another decision.")
    return True


def _fingerprint(ballot: Ballot) -> str:
    return digest({"action": ballot.action, "values": ballot.values, "note": ballot.note})


async def _vote(
    conn: Connection,
    office: Office,
    request: Request,
    ballot: Ballot,
    by: str,
    idempotency_key: str | None,
) -> Request:
    """The request after a vote; the same object, and nothing written, if it repeats one."""
    at = office.now()
    after = request.with_vote(ballot, by=by, at=at)
    if after is request:
        return request
    check_ballot(request, ballot)
    await votes.insert(
        conn,
        request.id,
        after.votes[-1],
        idempotency_key=idempotency_key,
        fingerprint=_fingerprint(ballot),
    )
    assert after.outcome is not None
    await requests.close(conn, request.id, to=after.state, outcome=after.outcome, at=at)
    await audit.append(
        conn,
        AuditEntry(
            event="request.decided",
            thread_id=request.thread_id,
            by=by,
            at=at,
            request_id=request.id,
            data={"outcome": after.outcome.to_json(), "digest": request.question.digest},
        ),
    )
    return after


async def _resume(
    conn: Connection, office: Office, thread: Locked, graph: str, by: str
) -> tuple[Run | None, Lease | None]:
    """Queue the run that delivers what was decided; None if one is queued already."""
    at = office.now()
    run = Run(
        id=new_id(),
        thread_id=thread.id,
        graph=graph,
        kind=RunKind.RESUME,
        status=RunStatus.QUEUED,
        by=by,
        created_at=at,
        updated_at=at,
    )
    inserted = await runs.insert(conn, run)
    lease = await give_work(conn, office, thread, graph, at)
    return (run if inserted else None), lease
