"""Have open requests take the policy that holds now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from signoff.db import past_requests
from signoff.domain.admission import Reviewer
from signoff.domain.errors import RequestClosed, RequestNotFound
from signoff.domain.policy import Policy
from signoff.domain.request import Request
from signoff.domain.timetable import Moment
from signoff.policies.book import PolicyBook
from signoff.service.amend import amend
from signoff.service.office import Office
from signoff.service.replay import Policies

BATCH = 500
"""Open requests looked at in one round."""


@dataclass(frozen=True, slots=True)
class Reapplied:
    """A request under the policy that holds now, and whether that is another than before."""

    request: Request
    changed: bool


async def reapply(office: Office, book: PolicyBook, request_id: str, *, by: str) -> Reapplied:
    """Have one open request take the policy that the book has for it.

    What the call to ask() said stays. Its votes stand, and close it if they suffice now; its
    moments count from its opening.

    Raises:
        RequestNotFound, RequestClosed
    """
    return await _reapply(office, Policies(book), request_id, by=by)


async def reapply_all(
    office: Office, book: PolicyBook, *, graph: str | None = None, by: str
) -> AsyncIterator[Reapplied]:
    """Have all open requests, or those of one graph, take the policies of a book; see `reapply`.

    Each is committed by itself. Those that close meanwhile are left out.
    """
    policies, after = Policies(book), None
    while True:
        async with office.database.connection() as conn:
            found = await past_requests.open_batch(conn, graph=graph, after=after, limit=BATCH)
        for request in found:
            if _same(request, *policies.of(request)):
                yield Reapplied(request, changed=False)
                continue
            try:
                yield await _reapply(office, policies, request.id, by=by)
            except (RequestClosed, RequestNotFound):
                continue
        if len(found) < BATCH:
            return
        after = (found[-1].opened_at, found[-1].id)


async def _reapply(office: Office, policies: Policies, request_id: str, *, by: str) -> Reapplied:
    changed = False

    def transition(request: Request, _reviewer: Reviewer, at: datetime) -> Request:
        nonlocal changed
        policy, timetable = policies.of(request)
        after = request.reapply(policy, timetable, at=at)
        changed = not _same(request, policy, timetable)
        return after if changed else request

    after = await amend(
        office, request_id, transition, by=by, event="request.policy_reapplied", data=_told
    )
    return Reapplied(after, changed)


def _told(after: Request) -> dict[str, Any]:
    deadline = None if after.deadline is None else after.deadline.isoformat()
    told = {"policy": after.policy.to_json(), "deadline": deadline}
    return told if after.outcome is None else {**told, "outcome": after.outcome.to_json()}


def _same(request: Request, policy: Policy, timetable: tuple[Moment, ...]) -> bool:
    """Whether a policy is the one that a request has, wherever its lines stand by now."""
    planned = tuple(replace(moment, passed_at=None) for moment in request.timetable)
    return planned == timetable and replace(policy, sources=request.policy.sources) == (
        request.policy
    )
