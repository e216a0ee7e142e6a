"""A request: one question to people, opened by a pause, and the states it goes through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from signoff.domain.decision import Ballot, Outcome, Vote
from signoff.domain.errors import RequestClosed, StaleDigest
from signoff.domain.policy import Policy


class RequestState(StrEnum):
    """Where a request stands. All but ``open`` are final: a closed request never opens again."""

    OPEN = "open"
    DECIDED = "decided"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


class Delivery(StrEnum):
    """Whether the outcome has reached the graph."""

    NONE = "none"
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a pause asks, understood: the part of a request that comes from the graph.

    ``actions`` are JSON objects with ``name``, ``label``, ``style``, ``note`` and ``schema``, the
    JSON Schema of the values that the action takes. ``digest`` binds a decision to this content.
    """

    kind: str
    title: str
    topic: str | None
    payload: Any
    actions: tuple[dict[str, Any], ...]
    policy: Policy
    digest: str
    response_schema: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """The place in a thread where a question was asked.

    ``position`` counts the questions of the same task that were answered before this one.
    """

    thread_id: str
    graph: str
    node: str
    interrupt_id: str
    task_id: str
    checkpoint_ns: str
    checkpoint_id: str
    position: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One question to people; unique per (thread, interrupt).

    `voided` says that its outcome is never to be used (again); `revises` names the request that
    this one stands for, since its question changed, and `remark` says so in words.
    """

    id: str
    pause: Pause
    question: Question
    opened_at: datetime
    run_id: str | None = None
    state: RequestState = RequestState.OPEN
    votes: tuple[Vote, ...] = ()
    outcome: Outcome | None = None
    delivery: Delivery = Delivery.NONE
    delivery_error: str | None = None
    voided: bool = False
    revises: str | None = None
    remark: str | None = None
    claimed_by: str | None = None
    deadline: datetime | None = None
    closed_at: datetime | None = None
    delivered_at: datetime | None = None

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

    def with_vote(self, ballot: Ballot, *, by: str, at: datetime) -> Request:
        """This request with one more vote counted, closed if that vote settles it.

        Repeating one's own vote changes nothing, so a double click is harmless.

        Raises:
            RequestClosed: Something else has closed the request already.
            StaleDigest: The reviewer saw another question than the one that stands.
        """
        if any(vote.repeats(ballot, by=by) for vote in self.votes):
            return self
        if self.state is not RequestState.OPEN:
            raise RequestClosed(self.id, self.state.value)
        if ballot.digest is not None and ballot.digest != self.question.digest:
            raise StaleDigest(
                f"Request {self.id} shows something else by now: look at it again and decide anew."
            )
        vote = Vote(by=by, action=ballot.action, values=ballot.values, note=ballot.note, at=at)
        return replace(
            self,
            votes=(*self.votes, vote),
            state=RequestState.DECIDED,
            outcome=Outcome(
                action=vote.action, values=vote.values, note=vote.note, by=vote.by, at=vote.at
            ),
            delivery=Delivery.PENDING,
            closed_at=at,
        )
