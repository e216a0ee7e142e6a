"""A request: one question to people, opened by a pause, and the states it goes through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import reduce
from typing import Any

from signoff.domain.admission import Delegation, Reviewer, admit
from signoff.domain.decision import Ballot, Outcome, Vote
from signoff.domain.errors import (
    AlreadyClaimed,
    FieldError,
    InvalidInput,
    RequestClosed,
    StaleDigest,
)
from signoff.domain.policy import Policy, Priority, Step
from signoff.domain.principal import GROUP, SYSTEM, check_principal
from signoff.domain.question import Pause, Question
from signoff.domain.tally import missing, settle
from signoff.domain.timetable import Moment, MomentKind, due, next_wake
from signoff.domain.timetable import deadline as deadline_of


class RequestState(StrEnum):
    """Where a request stands. All but ``open`` are final: a closed request never opens again."""

    OPEN = "open"
    DECIDED = "decided"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


MAX_COMMENT = 10_000
"""The longest comment, in characters."""


class Delivery(StrEnum):
    """Whether the outcome has reached the graph."""

    NONE = "none"
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """What somebody said on a request."""

    by: str
    text: str
    at: datetime

    def to_json(self) -> dict[str, str]:
        """The comment as users see it."""
        return {"by": self.by, "text": self.text, "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, data: dict[str, str]) -> Comment:
        """The comment that `to_json` wrote."""
        return cls(by=data["by"], text=data["text"], at=datetime.fromisoformat(data["at"]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One question to people; unique per (thread, interrupt).

    `voided` says that its outcome is never to be used (again); `revises` names the request that
    this one stands for, since its question changed, and `remark` says so in words.

    `involved` are whoever started the run and whom it acts for; `timetable` is what is planned for
    the request and what of it has passed; `version` counts the changes that were stored.

    Every transition returns a new request, or this very one if nothing changed. A closed request
    never changes: transitions raise `RequestClosed`.
    """

    id: str
    pause: Pause
    question: Question
    opened_at: datetime
    run_id: str | None = None
    traceparent: str | None = None
    state: RequestState = RequestState.OPEN
    votes: tuple[Vote, ...] = ()
    outcome: Outcome | None = None
    delivery: Delivery = Delivery.NONE
    delivery_error: str | None = None
    voided: bool = False
    revises: str | None = None
    remark: str | None = None
    claimed_by: str | None = None
    involved: tuple[str, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    comments: tuple[Comment, ...] = ()
    timetable: tuple[Moment, ...] = ()
    deadline: datetime | None = None
    closed_at: datetime | None = None
    delivered_at: datetime | None = None
    version: int = 0

    @property
    def thread_id(self) -> str:
        """The thread that waits for this request."""
        return self.pause.thread_id

    @property
    def graph(self) -> str:
        """The graph that asks."""
        return self.pause.graph

    @property
    def node(self) -> str:
        """The node that asks."""
        return self.pause.node

    @property
    def interrupt_id(self) -> str:
        """LangGraph's id of the pause."""
        return self.pause.interrupt_id

    @property
    def checkpoint_id(self) -> str:
        """The checkpoint at which the thread waits."""
        return self.pause.checkpoint_id

    @property
    def kind(self) -> str:
        """How the graph pauses."""
        return self.question.kind

    @property
    def topic(self) -> str | None:
        """The author's own label for what it is about."""
        return self.question.topic

    @property
    def title(self) -> str:
        """What is asked, in a line."""
        return self.question.title

    @property
    def payload(self) -> Any:
        """What the graph shows, as JSON."""
        return self.question.payload

    @property
    def actions(self) -> tuple[dict[str, Any], ...]:
        """The choices, each with its JSON Schema."""
        return self.question.actions

    @property
    def policy(self) -> Policy:
        """Who may decide, how many, until when, and what happens otherwise."""
        return self.question.policy

    @property
    def digest(self) -> str:
        """The digest of what is shown, to be sent with a decision."""
        return self.question.digest

    @property
    def action_names(self) -> tuple[str, ...]:
        """The actions a reviewer may choose from, in the author's order."""
        return tuple(action["name"] for action in self.question.actions)

    @property
    def reached(self) -> tuple[Step, ...]:
        """The escalation steps taken so far."""
        return tuple(
            self.policy.escalate[moment.step]
            for moment in self.timetable
            if moment.kind is MomentKind.ESCALATE and moment.passed_at is not None
        )

    @property
    def priority(self) -> Priority:
        """How pressing it is: as the policy says, raised by each escalation."""
        return reduce(lambda now, step: step.raised(now), self.reached, self.policy.priority)

    @property
    def audience(self) -> tuple[str, ...]:
        """The users and groups that it is for by name: asked, escalated or delegated to, at work
        on it. A request for any reviewer is for nobody by name until then."""
        added = (name for step in self.reached for name in step.to)
        handed_on = (delegation.to for delegation in self.delegations)
        claimed = () if self.claimed_by is None else (self.claimed_by,)
        return tuple(dict.fromkeys((*self.policy.to, *added, *handed_on, *claimed)))

    @property
    def overdue(self) -> bool:
        """Whether its deadline has passed with nothing to fall back on, and it is still open."""
        return self.state is RequestState.OPEN and any(
            moment.kind is MomentKind.EXPIRE and moment.passed_at is not None
            for moment in self.timetable
        )

    @property
    def wake_at(self) -> datetime | None:
        """When it is to be looked at next; None: never by itself."""
        return next_wake(self.timetable) if self.state is RequestState.OPEN else None

    @property
    def waited(self) -> timedelta | None:
        """How long it took until it was closed; None while it is open.

        Nothing at least, should two machines' clocks differ.
        """
        if self.closed_at is None:
            return None
        return max(timedelta(), self.closed_at - self.opened_at)

    @property
    def missing(self) -> int:
        """How many more votes would close it at the least; 0 once it is closed."""
        return missing(self.votes, self.policy) if self.state is RequestState.OPEN else 0

    # --- who ---------------------------------------------------------------------------------

    def admit(self, reviewer: Reviewer) -> str:
        """The user with whose right this reviewer may decide, as `signoff.domain.admission` says.

        Raises:
            Forbidden: The policy does not admit the reviewer.
        """
        return admit(
            reviewer,
            self.policy,
            involved=self.involved,
            reached=self.reached,
            delegations=self.delegations,
        )

    def claim(self, reviewer: Reviewer) -> Request:
        """This request with the reviewer shown to work on it. All others may still decide it.

        Raises:
            RequestClosed, Forbidden: The reviewer could not decide it either.
            AlreadyClaimed: Somebody else has claimed it.
        """
        self._check_open()
        self.admit(reviewer)
        if self.claimed_by == reviewer.name:
            return self
        self._check_claim(reviewer.name)
        return replace(self, claimed_by=reviewer.name)

    def release(self, by: str) -> Request:
        """This request without the claim.

        Raises:
            RequestClosed: It is closed.
            AlreadyClaimed: The claim is somebody else's.
        """
        self._check_open()
        self._check_claim(by)
        return self if self.claimed_by is None else replace(self, claimed_by=None)

    def delegate(self, reviewer: Reviewer, to: str, *, at: datetime) -> Request:
        """This request handed on to a user or a group, who may then decide it with the same right.

        The reviewer may still decide it, but their votes count once. The reviewer's claim goes.

        Raises:
            RequestClosed, Forbidden: The reviewer could not decide it either.
            InvalidInput: `to` is nobody, the reviewer, or barred by ``four_eyes``.
        """
        self._check_open()
        right = self.admit(reviewer)
        check_principal(to.removeprefix(GROUP))
        if to == reviewer.name:
            raise InvalidInput("a request is delegated to somebody else")
        if self.policy.four_eyes and to in self.involved:
            raise InvalidInput(f"{to} is involved in the run and may not decide (four_eyes)")
        if any((known.by, known.to) == (reviewer.name, to) for known in self.delegations):
            return self
        delegation = Delegation(by=reviewer.name, to=to, right=right, at=at)
        claimed_by = None if self.claimed_by == reviewer.name else self.claimed_by
        return replace(self, delegations=(*self.delegations, delegation), claimed_by=claimed_by)

    def comment(self, text: str, *, by: str, at: datetime) -> Request:
        """This request with something said on it.

        Raises:
            RequestClosed: It is closed.
            InvalidInput: The text is empty or over 10,000 characters.
        """
        self._check_open()
        if not text.strip() or len(text) > MAX_COMMENT:
            problem = f"has 1 to {MAX_COMMENT:,} characters"
            raise InvalidInput(f"a comment {problem}", [FieldError("/text", problem)])
        return replace(self, comments=(*self.comments, Comment(by=by, text=text, at=at)))

    def withdraw(self, reviewer: Reviewer, *, at: datetime) -> Request:
        """This request taken back, without an outcome.

        Raises:
            RequestClosed: It is closed.
            Forbidden: The reviewer is not involved in the run, and could not decide it either.
        """
        self._check_open()
        if reviewer.name not in self.involved:
            self.admit(reviewer)
        return replace(self, state=RequestState.WITHDRAWN, closed_at=at)

    # --- votes -------------------------------------------------------------------------------

    def with_vote(
        self, ballot: Ballot, *, by: str, at: datetime, right: str | None = None
    ) -> Request:
        """This request with one more vote counted, closed if that vote settles it.

        A vote replaces an earlier one of the same voter. Repeating one's own vote changes nothing,
        so a double click is harmless. `right` is what `admit` returned, by default one's own.

        Raises:
            RequestClosed: Something else has closed the request already.
            StaleDigest: The reviewer saw another question than the one that stands.
        """
        if any(vote.repeats(ballot, by=by) for vote in self.votes):
            return self
        self._check_open()
        if ballot.digest is not None and ballot.digest != self.question.digest:
            raise StaleDigest(
                f"Request {self.id} shows something else by now: look at it again and decide anew."
            )
        vote = Vote(
            by=by,
            action=ballot.action,
            values=ballot.values,
            note=ballot.note,
            at=at,
            on_behalf_of=None if right in (None, by) else right,
        )
        return replace(self, votes=(*self._votes_without(by), vote))._settled(at)

    def without_vote(self, by: str) -> Request:
        """This request without that voter's vote, taken back while it still could be.

        Raises:
            RequestClosed: It is closed: what was decided stands.
        """
        self._check_open()
        votes = self._votes_without(by)
        return self if len(votes) == len(self.votes) else replace(self, votes=votes)

    def reapply(self, policy: Policy, timetable: tuple[Moment, ...], *, at: datetime) -> Request:
        """This request under another policy, as if it had been opened with it.

        Its votes stand, and close it if they suffice now. What has happened and is planned at the
        same moment as before has happened. Other escalations that are due by the new timetable are
        still to come; reminders are not.

        Raises:
            RequestClosed: It is closed.
        """
        self._check_open()
        reopened = replace(
            self,
            question=replace(self.question, policy=policy),
            timetable=tuple(self._kept(moment, policy) for moment in timetable),
            deadline=deadline_of(timetable),
        )
        return reopened._passed(MomentKind.REMIND, at)._settled(at)

    # --- time --------------------------------------------------------------------------------

    def advance(self, now: datetime) -> tuple[Request, tuple[Moment, ...]]:
        """This request with all that is due by now done, in order, and what that was.

        However late that is: one reminder at most, and none if the deadline closes the request;
        each escalation; then the deadline.

        Raises:
            RequestClosed: It is closed.
        """
        self._check_open()
        after, done = self, []
        for moment in self._due(now):
            after = after._do(moment, now)
            done.append(moment)
        return after, tuple(done)

    def remind(self, at: datetime) -> Request:
        """This request with all reminders that are due by then behind it.

        Raises:
            RequestClosed: It is closed.
        """
        self._check_open()
        return self._passed(MomentKind.REMIND, at)

    def escalate(self, step: int, at: datetime) -> Request:
        """This request with a step of its policy taken, if that is due and was not: people are
        added, and its priority is raised.

        Raises:
            RequestClosed: It is closed.
        """
        self._check_open()
        return self._passed(MomentKind.ESCALATE, at, step=step)

    def expire(self, at: datetime) -> Request:
        """This request at its deadline: closed by its fallback; without one it stays open, overdue.

        Nothing changes before the deadline, or without one.

        Raises:
            RequestClosed: It is closed.
        """
        self._check_open()
        passed = self._passed(MomentKind.EXPIRE, at)
        fallback = self.policy.otherwise
        if passed is self or fallback is None:
            return passed
        outcome = Outcome(
            action=fallback.action,
            values=fallback.values,
            note=fallback.note,
            by=SYSTEM,
            at=at,
            timed_out=True,
            escalated=bool(self.reached),
        )
        return passed._closed(RequestState.EXPIRED, outcome)

    # --- in common ---------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self.state is not RequestState.OPEN:
            raise RequestClosed(self.id, self.state.value)

    def _check_claim(self, by: str) -> None:
        if self.claimed_by is not None and self.claimed_by != by:
            raise AlreadyClaimed(self.id, self.claimed_by)

    def _votes_without(self, by: str) -> tuple[Vote, ...]:
        return tuple(vote for vote in self.votes if vote.by != by)

    def _settled(self, at: datetime) -> Request:
        winning = settle(self.votes, self.policy)
        if winning is None:
            return self
        vote = winning[-1]
        outcome = Outcome(
            action=vote.action,
            values=vote.values,
            note=vote.note,
            by=vote.by,
            at=at,
            escalated=bool(self.reached),
        )
        return self._closed(RequestState.DECIDED, outcome)

    def _closed(self, state: RequestState, outcome: Outcome) -> Request:
        return replace(
            self, state=state, outcome=outcome, delivery=Delivery.PENDING, closed_at=outcome.at
        )

    def _due(self, now: datetime) -> list[Moment]:
        moments = due(self.timetable, now)
        closes = self.policy.otherwise is not None and any(
            moment.kind is MomentKind.EXPIRE for moment in moments
        )
        return [m for m in moments if not (closes and m.kind is MomentKind.REMIND)]

    def _do(self, moment: Moment, now: datetime) -> Request:
        match moment.kind:
            case MomentKind.REMIND:
                return self.remind(now)
            case MomentKind.ESCALATE:
                return self.escalate(moment.step, now)
            case MomentKind.EXPIRE:
                return self.expire(now)

    def _kept(self, moment: Moment, policy: Policy) -> Moment:
        """A moment of another policy; passed, if the same happened to this request already."""
        if moment.kind is MomentKind.EXPIRE and policy.otherwise != self.policy.otherwise:
            return moment
        for known in self.timetable:
            if replace(known, passed_at=None, step=0) != replace(moment, passed_at=None, step=0):
                continue
            if (
                moment.kind is not MomentKind.ESCALATE
                or self.policy.escalate[known.step] == policy.escalate[moment.step]
            ):
                return replace(moment, passed_at=known.passed_at)
        return moment

    def _passed(self, kind: MomentKind, at: datetime, *, step: int | None = None) -> Request:
        """This request with the moments of a kind (of one step) that are due marked as passed."""

        def passes(moment: Moment) -> bool:
            return (
                moment.kind is kind
                and moment.passed_at is None
                and moment.at <= at
                and (step is None or moment.step == step)
            )

        if not any(map(passes, self.timetable)):
            return self
        timetable = (replace(m, passed_at=at) if passes(m) else m for m in self.timetable)
        return replace(self, timetable=tuple(timetable))
