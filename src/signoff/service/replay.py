"""Try a changed policy on the requests of the past. Nothing is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from signoff.db import past_requests, users
from signoff.domain.decision import Vote
from signoff.domain.errors import InvalidPolicy
from signoff.domain.policy import CALL, Policy
from signoff.domain.replay import Replay, TakenBack, replay
from signoff.domain.request import Request
from signoff.domain.timetable import Moment
from signoff.domain.user import Directory
from signoff.pauses.fallbacks import looks_at_content
from signoff.policies.book import PolicyBook
from signoff.service.office import Office

BATCH = 1000
"""Requests read at a time: one query for them, and one for what was said on them."""

MOST_POLICIES = 10_000
"""Merged policies that are remembered: requests of one node mostly have the same."""


@dataclass(slots=True)
class Policies:
    """The policies that a book has for requests that were opened under another."""

    book: PolicyBook
    _known: dict[bytes, Policy]

    def __init__(self, book: PolicyBook) -> None:
        self.book = book
        self._known = {}

    def of(self, request: Request) -> tuple[Policy, tuple[Moment, ...]]:
        """The policy of a request, what its call said included, and its timetable by it."""
        policy = self._policy(request)
        try:
            return policy, self.book.timetable(policy, request.opened_at)
        except InvalidPolicy:
            return policy, ()

    def _policy(self, request: Request) -> Policy:
        call = request.policy.of_source(CALL)
        place: dict[str, Any] = {
            "graph": request.graph,
            "node": request.node,
            "kind": request.kind,
            "topic": request.topic,
            "actions": request.actions,
        }
        question = request.question if looks_at_content(request.kind) else None
        key = orjson.dumps([call.to_json(), place, question and question.digest])
        if key not in self._known:
            if len(self._known) >= MOST_POLICIES:
                self._known.clear()
            self._known[key] = self.book.policy_for(call, **place, question=question)
        return self._known[key]


async def replay_requests(
    office: Office,
    book: PolicyBook,
    *,
    since: datetime,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> AsyncIterator[Replay]:
    """Every request opened `since` then, the oldest first, with what it would have become.

    Groups are those that people are in today. `on_progress` is told how many of how many are done.
    """
    now = office.now()
    policies = Policies(book)
    async with office.database.connection() as conn:
        directory = Directory([*await users.everyone(conn), *book.users])
        total = await past_requests.count(conn, since=since, until=now)
    done, after = 0, None
    while True:
        async with office.database.connection() as conn:
            found = await past_requests.batch(
                conn, since=since, until=now, after=after, limit=BATCH
            )
            said = await past_requests.ballots(conn, [request.id for request in found])
        for request in found:
            policy, timetable = policies.of(request)
            yield replay(
                request,
                policy,
                timetable,
                ballots=_ballots(request, said.get(request.id, [])),
                directory=directory.reviewer,
                now=now,
            )
        done += len(found)
        on_progress(done, max(done, total))
        if len(found) < BATCH:
            return
        after = (found[-1].opened_at, found[-1].id)


def _ballots(request: Request, said: list[dict[str, Any]]) -> Iterator[Vote | TakenBack]:
    """The ballots of audit entries, without those on what the request has asked before."""
    for body in said:
        at, data = datetime.fromisoformat(body["at"]), dict(body["data"])
        if body["event"] == "request.vote_taken_back":
            yield TakenBack(by=body["by"], at=at)
        elif data.pop("digest", request.digest) == request.digest:
            yield Vote(**{**data, "at": at})
