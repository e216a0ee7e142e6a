"""The calls that both clients make, what their answers are read as, and how refusals are raised."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from signoff.api.engine_schemas import State
from signoff.api.schemas import (
    AuditPage,
    DeliveryPage,
    Preferences,
    Priority,
    Problem,
    Request,
    RequestPage,
    RequestState,
    SentMessage,
)
from signoff.domain import errors
from signoff.domain.errors import (
    FieldError,
    InvalidInput,
    RateLimited,
    RequestClosed,
    SignInTooOld,
    SignoffError,
)

TIMEOUT = 30.0
"""Seconds that a call may take, unless another time is given."""


class Filters(TypedDict, total=False):
    """What a list of requests is narrowed and sorted by; those left out let everything through."""

    state: RequestState | Sequence[RequestState]
    graph: str
    node: str
    kind: str
    topic: str
    thread_id: str
    assignee: str
    """Whom it is for by name, or who has claimed it; ``me`` is the caller."""
    overdue: bool
    priority: Priority
    q: str
    """A text in the title or the thread's id."""
    sort: str
    limit: int
    cursor: str
    """`next_cursor` of the page before."""


class Ballot(TypedDict, total=False):
    """What may go along with the action of a decision."""

    values: Mapping[str, Any]
    note: str | None
    digest: str | None
    """Of what the reviewer saw: refused if the request shows something else now."""
    idempotency_key: str | None
    """The same key with the same decision is decided once."""


class AuditFilters(TypedDict, total=False):
    """What a list of audit entries is narrowed and sorted by."""

    thread_id: str
    request_id: str
    event: str | Sequence[str]
    by: str
    since: datetime
    """What happened then or later; with its timezone."""
    sort: str
    """``-at`` for the newest first."""
    limit: int
    cursor: str
    """`next_cursor` of the page before, with the same filters."""


class DeliveryFilters(TypedDict, total=False):
    """What a list of messages is narrowed by."""

    state: str | Sequence[str]
    request_id: str
    limit: int
    cursor: str
    """`next_cursor` of the page before, with the same filters."""


T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Generic[T]):
    """One HTTP call, and what its answer is read as."""

    path: str
    answer: type[T]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    method: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def on(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The call as a client of httpx sends it."""
        return http.build_request(
            self.method or ("GET" if self.body is None else "POST"),
            self.path,
            params=self.params,
            json=self.body,
            headers=self.headers,
        )

    def read(self, response: httpx.Response) -> T:
        """What was answered; what was refused is raised."""
        if response.is_error:
            raise _error(response)
        return self.answer.model_validate_json(response.content)


def requests(filters: Filters) -> Call[RequestPage]:
    """A page of requests."""
    return Call(path="/requests", answer=RequestPage, params=dict(filters))


def request(request_id: str) -> Call[Request]:
    """One request."""
    return Call(path=_path(request_id), answer=Request)


def decide(request_id: str, action: str, ballot: Ballot) -> Call[Request]:
    """Decide a request."""
    body = {"action": action, **ballot}
    key = body.pop("idempotency_key", None)
    return Call(
        path=_path(request_id, "decisions"),
        answer=Request,
        body=body,
        headers={} if key is None else {"Idempotency-Key": str(key)},
    )


def take_back(request_id: str) -> Call[Request]:
    """Take one's vote back."""
    return Call(path=_path(request_id, "decisions"), answer=Request, method="DELETE")


def claim(request_id: str) -> Call[Request]:
    """Show that one works on a request."""
    return Call(path=_path(request_id, "claim"), answer=Request, method="PUT")


def release(request_id: str) -> Call[Request]:
    """Give up one's claim."""
    return Call(path=_path(request_id, "claim"), answer=Request, method="DELETE")


def delegate(request_id: str, to: str) -> Call[Request]:
    """Hand a request on."""
    return _posted(request_id, "delegations", to=to)


def comment(request_id: str, text: str) -> Call[Request]:
    """Say something on a request."""
    return _posted(request_id, "comments", text=text)


def withdraw(request_id: str, note: str | None) -> Call[Request]:
    """Take a request back."""
    return _posted(request_id, "withdrawal", note=note)


def _posted(request_id: str, below: str, **body: str | None) -> Call[Request]:
    return Call(path=_path(request_id, below), answer=Request, body=body)


def retry(request_id: str, reask: bool) -> Call[Request]:
    """Deliver an outcome again, or ask anew."""
    return Call(path=_path(request_id, "retry"), answer=Request, body={"reask": reask})


def state(request_id: str) -> Call[State]:
    """The state in which the graph asked."""
    return Call(path=_path(request_id, "state"), answer=State)


def audit(request_id: str) -> Call[AuditPage]:
    """What has happened to a request."""
    return Call(path=_path(request_id, "audit"), answer=AuditPage)


def thread_audit(thread_id: str, cursor: str | None) -> Call[AuditPage]:
    """A page of what has happened on a thread."""
    params = {"thread_id": thread_id, "cursor": cursor or "0"}
    return Call(path="/audit", answer=AuditPage, params=params)


def audit_entries(filters: AuditFilters) -> Call[AuditPage]:
    """A page of what has happened."""
    params: dict[str, Any] = dict(filters)
    if "since" in filters:
        params["since"] = filters["since"].isoformat()
    return Call(path="/audit", answer=AuditPage, params=params)


def deliveries(filters: DeliveryFilters) -> Call[DeliveryPage]:
    """A page of messages."""
    return Call(path="/deliveries", answer=DeliveryPage, params=dict(filters))


def delivery(delivery_id: str) -> Call[SentMessage]:
    """One message."""
    return Call(path=f"/deliveries/{quote(str(delivery_id), safe='')}", answer=SentMessage)


def redeliver(delivery_id: str) -> Call[SentMessage]:
    """Have a message sent again."""
    path = f"/deliveries/{quote(str(delivery_id), safe='')}/redelivery"
    return Call(path=path, answer=SentMessage, method="POST")


def preferences() -> Call[Preferences]:
    """How one is told."""
    return Call(path="/preferences", answer=Preferences)


def choose_preferences(chosen: Preferences | Mapping[str, Any]) -> Call[Preferences]:
    """Choose how one is told."""
    given = chosen.model_dump(mode="json") if isinstance(chosen, Preferences) else chosen
    return Call(path="/preferences", answer=Preferences, method="PUT", body=given)


def reset_preferences() -> Call[Preferences]:
    """Go back to what is said for one."""
    return Call(path="/preferences", answer=Preferences, method="DELETE")


def _path(request_id: str, *below: str) -> str:
    return "/".join(["/requests", quote(str(request_id), safe=""), *below])


def headers(api_key: str | None, others: Mapping[str, str] | None) -> dict[str, str]:
    """The headers of each call."""
    given = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    return {**given, **(others or {})}


def following(filters: Filters, page: RequestPage) -> Filters | None:
    """What lists the page that comes after this one; None if it is the last."""
    return None if page.next_cursor is None else {**filters, "cursor": page.next_cursor}


_ERRORS: dict[str, type[SignoffError]] = {
    error.code: error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, SignoffError)
}


def _error(response: httpx.Response) -> Exception:
    """What the library raises for the same reason; if it is no problem document, httpx's error."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        message = f"{response.status_code} {response.reason_phrase} for {response.url}"
        return httpx.HTTPStatusError(message, request=response.request, response=response)
    kind = _ERRORS.get(problem.code, SignoffError)
    error = kind.__new__(kind)
    SignoffError.__init__(error, problem.detail)
    if isinstance(error, InvalidInput):
        error.errors = tuple(FieldError(each.pointer, each.message) for each in problem.errors)
    if isinstance(error, RateLimited):
        after = response.headers.get("retry-after", "")
        error.retry_after = timedelta(seconds=int(after) if after.isdecimal() else 1)
    if isinstance(error, SignInTooOld):
        error.max_age = timedelta(seconds=problem.max_age or 0)
    if isinstance(error, RequestClosed):
        error.request_id, error.state = str(problem.request_id), str(problem.state)
    if kind is SignoffError:
        vars(error)["code"] = problem.code
    return error
