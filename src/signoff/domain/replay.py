"""What would have become of a request under another policy.

Everything that people did is done again, in its order and at its times: votes, votes taken back,
delegations, withdrawal. In between, the moments of the other policy come when they are planned.
A moment that the request had anyway comes when it really did, and where the same people are asked,
whoever was admitted then is, so that a policy which changes nothing makes no difference: a decision
just after the deadline still counts if it did then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from signoff.domain.admission import Delegation, Reviewer
from signoff.domain.decision import Ballot, Vote
from signoff.domain.errors import Forbidden, InvalidInput
from signoff.domain.policy import Policy
from signoff.domain.request import Delivery, Request, RequestState
from signoff.domain.timetable import Moment, MomentKind
from signoff.domain.timetable import deadline as deadline_of

Directory = Callable[[str, datetime], Reviewer]
"""Who a principal was at a moment."""

_FINAL = (RequestState.WITHDRAWN, RequestState.SUPERSEDED)


@dataclass(frozen=True, kw_only=True, slots=True)
class TakenBack:
    """A vote that was taken back."""

    by: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """A request as it was, as it would have been, and whose votes would have been refused."""

    before: Request
    after: Request
    refused: tuple[str, ...] = ()

    @property
    def asked_differs(self) -> bool:
        """Whether others would have been asked."""
        return set(asked(self.before)) != set(asked(self.after))

    @property
    def timing_differs(self) -> bool:
        """Whether one of them timed out and the other did not."""
        return timed_out(self.before) != timed_out(self.after)

    @property
    def outcome_differs(self) -> bool:
        """Whether it would have ended in another way, or not at all."""
        return _end(self.before) != _end(self.after)

    @property
    def differs(self) -> bool:
        """Whether it would have been another story for anybody."""
        return bool(
            self.asked_differs or self.timing_differs or self.outcome_differs or self.refused
        )


def asked(request: Request) -> tuple[str, ...]:
    """Whom the policy of a request has asked by name, escalations included; empty for anybody."""
    if not request.policy.to:
        return ()
    added = (name for step in request.reached for name in step.to)
    return tuple(dict.fromkeys((*request.policy.to, *added)))


def timed_out(request: Request) -> bool:
    """Whether its deadline has passed with nobody's decision: it expired, or is overdue."""
    return request.state is RequestState.EXPIRED or request.overdue


def replay(
    request: Request,
    policy: Policy,
    timetable: tuple[Moment, ...],
    *,
    ballots: Iterable[Vote | TakenBack] = (),
    directory: Directory,
    now: datetime,
) -> Replay:
    """A request under another policy, up to `now`.

    `ballots` are those that do not stand among its votes any more: changed, or taken back.
    """
    fresh = replace(
        request,
        question=replace(request.question, policy=policy),
        timetable=tuple(replace(moment, passed_at=None) for moment in timetable),
        deadline=deadline_of(timetable),
        state=RequestState.OPEN,
        votes=(),
        delegations=(),
        claimed_by=None,
        outcome=None,
        delivery=Delivery.NONE,
        closed_at=None,
    )
    events = sorted(_events(request, fresh, ballots, directory), key=lambda each: each[:2])
    refused: dict[str, None] = {}
    after = fresh
    for at, _, by, happen in events:
        if at > now or after.state is not RequestState.OPEN:
            break
        try:
            after = happen(after)
        except (Forbidden, InvalidInput):
            refused[by] = None
    voters = {vote.by for vote in after.votes}
    return Replay(
        before=request, after=after, refused=tuple(by for by in refused if by not in voters)
    )


_Event = tuple[datetime, int, str, Callable[[Request], Request]]
"""When, which of what is at once comes first, who, and what that makes of the request."""


def _events(
    request: Request,
    fresh: Request,
    ballots: Iterable[Vote | TakenBack],
    directory: Directory,
) -> Iterator[_Event]:
    for moment in fresh.timetable:
        at, order = _when(moment, request)
        yield at, order, "", partial(_do, moment, at)
    same = _asks(request.policy) == _asks(fresh.policy)
    for handed_on in request.delegations:
        happen = partial(_keep, handed_on) if same else partial(_delegate, handed_on, directory)
        yield handed_on.at, 1, handed_on.by, happen
    cast = {(vote.by, vote.at): vote for vote in request.votes}
    for ballot in ballots:
        if isinstance(ballot, TakenBack):
            yield ballot.at, 1, ballot.by, partial(_take_back, ballot)
        else:
            cast.setdefault((ballot.by, ballot.at), ballot)
    for vote in cast.values():
        happen = partial(_recast, vote) if same else partial(_vote, vote, directory)
        yield vote.at, 1, vote.by, happen
    if request.state in _FINAL and request.closed_at is not None:
        yield request.closed_at, 2, "", partial(_close, request.state, request.closed_at)


def _asks(policy: Policy) -> Sequence[Any]:
    """All that says who is admitted, and from when on."""
    return policy.to, policy.escalate, policy.calendar, policy.four_eyes


def _when(moment: Moment, request: Request) -> tuple[datetime, int]:
    """When a moment comes: if the request had it anyway, when it really did."""
    for known in request.timetable:
        if (known.kind, known.at) != (moment.kind, moment.at):
            continue
        if known.passed_at is not None:
            return known.passed_at, 0
        if request.closed_at is not None:
            # Whatever closed the request came first.
            return max(moment.at, request.closed_at), 3
    return moment.at, 0


def _do(moment: Moment, at: datetime, request: Request) -> Request:
    match moment.kind:
        case MomentKind.REMIND:
            return request.remind(at)
        case MomentKind.ESCALATE:
            return request.escalate(moment.step, at)
        case MomentKind.EXPIRE:
            return request.expire(at)


def _vote(vote: Vote, directory: Directory, request: Request) -> Request:
    return _recast(vote, request, right=request.admit(directory(vote.by, vote.at)))


def _recast(vote: Vote, request: Request, *, right: str | None = None) -> Request:
    """With the vote as it was cast, and by the same right unless it is another one by now."""
    right = right or vote.right
    ballot = Ballot(action=vote.action, values=vote.values, note=vote.note)
    return request.with_vote(ballot, by=vote.by, at=vote.at, right=right)


def _take_back(taken: TakenBack, request: Request) -> Request:
    return request.without_vote(taken.by)


def _keep(handed_on: Delegation, request: Request) -> Request:
    return replace(request, delegations=(*request.delegations, handed_on))


def _delegate(handed_on: Delegation, directory: Directory, request: Request) -> Request:
    return request.delegate(directory(handed_on.by, handed_on.at), handed_on.to, at=handed_on.at)


def _close(state: RequestState, at: datetime, request: Request) -> Request:
    return replace(request, state=state, closed_at=at)


def _end(request: Request) -> Sequence[Any]:
    outcome = request.outcome
    said = () if outcome is None else (outcome.action, outcome.values, outcome.timed_out)
    return (request.state, *said)
