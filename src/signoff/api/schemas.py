"""What the API answers with. The client reads answers with these models; OpenAPI shows them.

Answers are not built from them: what services return is written as it is, and tests compare.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from signoff.domain.notification import Occasion
from signoff.domain.preferences import About

RequestState = Literal["open", "decided", "expired", "withdrawn", "superseded"]
Delivery = Literal["none", "pending", "delivered", "failed"]
Priority = Literal["low", "normal", "high", "urgent"]

JSONObject = dict[str, Any]


class Shape(BaseModel):
    """What all answers have in common: a newer server may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class FieldProblem(Shape):
    """What is wrong at one place of a request."""

    pointer: str = Field(
        description="A JSON pointer into the body, or `/name` of a query parameter."
    )
    message: str


class Problem(Shape):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = Field(description="For people; it may be reworded at any time.")
    code: str = Field(description="Stable: branch on it. See docs/reference/errors.md.")
    errors: list[FieldProblem] = Field(default=[], description="Where, as far as that is known.")
    call_id: str | None = Field(
        default=None, description="The call, as in `X-Request-ID` and in the server's log."
    )
    request_id: str | None = Field(default=None, description="With `request_closed`: the request.")
    state: RequestState | None = Field(
        default=None, description="With `request_closed`: what it is now."
    )
    max_age: int | None = Field(
        default=None,
        description="With `sign_in_too_old`: how old the sign-in may be, in seconds.",
    )


class Action(Shape):
    """A choice that the reviewer has."""

    name: str
    label: str
    style: str
    note: Literal["optional", "required", "none"]
    values_schema: JSONObject | None = Field(
        alias="schema", description="The JSON Schema of its values; null if it takes none."
    )


class Vote(Shape):
    """One reviewer's decision."""

    by: str
    action: str
    values: JSONObject
    note: str | None
    at: datetime
    on_behalf_of: str | None = Field(
        default=None, description="With whose right, where that is not the voter's own."
    )


class Outcome(Vote):
    """What closed the request."""

    timed_out: bool
    escalated: bool


class Delegation(Shape):
    """That somebody handed a request on."""

    by: str
    to: str
    right: str = Field(description="With whose right it may be decided.")
    at: datetime


class Comment(Shape):
    """What somebody said on a request."""

    by: str
    text: str
    at: datetime


class Request(Shape):
    """One question to people, opened by a pause."""

    id: str
    thread_id: str
    run_id: str | None
    graph: str
    node: str
    interrupt_id: str
    checkpoint_id: str
    state: RequestState
    kind: str
    topic: str | None
    title: str
    payload: Any = Field(description="What the graph shows.")
    actions: list[Action]
    policy: JSONObject
    priority: Priority
    digest: str = Field(description="Of what is shown; send it along with a decision.")
    votes: list[Vote]
    missing: int = Field(description="How many more votes would close it at the least.")
    outcome: Outcome | None
    delivery: Delivery
    delivery_error: str | None
    claimed_by: str | None
    audience: list[str] = Field(description="Whom it is for by name; empty for any reviewer.")
    involved: list[str] = Field(description="Who started the run, and whom it acts for.")
    delegations: list[Delegation] = Field(description="Who has handed it on, and to whom.")
    comments: list[Comment]
    overdue: bool = Field(description="Open past its deadline, with nothing to fall back on.")
    revises: str | None = Field(description="The request that this one asks anew.")
    remark: str | None
    opened_at: datetime
    deadline: datetime | None
    closed_at: datetime | None
    delivered_at: datetime | None


T = TypeVar("T")


class Page(Shape, Generic[T]):
    """A part of a list."""

    items: list[T]
    next_cursor: str | None = Field(description="Where the next page begins; null at the end.")


class RequestPage(Page[Request]):
    """A part of the list of requests."""

    total: int = Field(description="How many requests all filters let through, up to 1,000.")
    total_exact: bool = Field(
        default=True, description="False where there are more than `total`: counting stops there."
    )


class Result(Shape):
    """What came of one of several decisions: the request, or the problem."""

    request_id: str
    status: int = Field(description="What the decision by itself would have been answered with.")
    request: Request | None = None
    problem: Problem | None = None


class Results(Shape):
    """What came of several decisions, in their order."""

    results: list[Result]


class AuditEntry(Shape):
    """One transition, chained to the one before it in its thread."""

    seq: int
    hash: str
    event: str
    thread_id: str
    by: str
    at: datetime
    request_id: str | None
    run_id: str | None
    data: JSONObject
    method: str | None = Field(default=None, description="How it was known who did it.")
    digest: str | None = Field(default=None, description="The digest of what was shown.")
    before: JSONObject | None = Field(default=None, description="What has changed, as it was.")
    after: JSONObject | None = Field(default=None, description="What has changed, as it is.")
    checkpoint_before: str | None = None
    checkpoint_after: str | None = None


class AuditPage(Page[AuditEntry]):
    """A part of a list of audit entries."""


class SentMessage(Shape):
    """A message to a person or a program, and how it fares."""

    id: str = Field(description="The same for every attempt: receivers know it again by that.")
    state: Literal["waiting", "gathered", "sending", "sent", "dropped", "dead"] = Field(
        description="`gathered`: in a digest that waits. `dropped`: nobody needed it any more. "
        "`dead`: given up."
    )
    occasion: str
    channel: str
    to: str | None = Field(description="The user; `null` for a program.")
    address: str = Field(description="As far as it may be shown.")
    request_id: str | None
    thread_id: str
    run_id: str | None
    graph: str
    by: str
    attempts: int
    error: str | None
    at: datetime
    due_at: datetime | None = Field(description="When it is tried next.")
    settled_at: datetime | None


class DeliveryPage(Page[SentMessage]):
    """A part of the list of messages."""


class Notify(Shape):
    """Of what somebody is told, and in which ways."""

    channels: list[str] | None = Field(
        default=None, description="`null`: each that there is an address for; `[]`: none."
    )
    occasions: list[Occasion] = Field(default=list(Occasion))
    about: About = Field(
        default=About.ALL,
        description="`me`: requests that name them; `groups`: also those that name one of their "
        "groups; `all`: also those that are for any reviewer.",
    )


class Quiet(Shape):
    """When somebody is left alone."""

    hours: str | None = Field(default=None, description="Each day, such as `20:00-07:00`.")
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(
        default=[], description="All day."
    )
    urgent: bool = Field(default=True, description="Whether what is urgent comes through.")


class Preferences(Shape):
    """How somebody wishes to be told of requests."""

    notify: Notify = Notify()
    quiet: Quiet | None = None
    digest: str = Field(default="none", description="`none`, `hourly`, or `daily 08:00`.")
    timezone: str = Field(default="UTC", description="As in `Europe/Berlin`.")


class Figures(Shape):
    """What was closed with an outcome, in a time."""

    decided: int = Field(description="By people.")
    expired: int = Field(description="By the deadline.")
    median_seconds: float | None = Field(description="From opening to a decision by people.")
    p95_seconds: float | None
    due: int = Field(description="How many of them had a deadline.")
    met: int = Field(description="How many of these people decided before it.")


class DayFigures(Figures):
    """The figures of a day, in UTC."""

    day: str
    opened: int


class GraphFigures(Figures):
    """The figures of a graph."""

    graph: str
    open: int
    overdue: int


class NodeFigures(GraphFigures):
    """The figures of a node of a graph."""

    node: str


class ReviewerFigures(Figures):
    """The figures of what a reviewer has decided."""

    reviewer: str


class Stats(Figures):
    """What is open now, and what was closed in the last days."""

    open: int
    overdue: int
    days: list[DayFigures]
    graphs: list[GraphFigures]
    nodes: list[NodeFigures]
    reviewers: list[ReviewerFigures]


class Health(Shape):
    """The server is up."""

    status: Literal["ok"]
