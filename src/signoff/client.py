"""A client of a desk's HTTP API: `Client`, and `AsyncClient` with the same methods to await.

It speaks of requests, decisions and their audit. Threads, runs and assistants have the shapes of
LangGraph's server, and LangGraph's own SDK is their client.

    with Client("http://127.0.0.1:8124", principal="jane@firm.com") as desk:
        for request in desk.requests(state="open").items:
            desk.decide(request.id, "approve", digest=request.digest)

What the desk refuses is raised as the exceptions that the library raises (`signoff.errors`); what
goes wrong on the way, as those of httpx.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from signoff.api.schemas import (
    Action,
    AuditEntry,
    AuditPage,
    Outcome,
    Priority,
    Problem,
    Request,
    RequestPage,
    RequestState,
    State,
    Vote,
)
from signoff.domain import errors
from signoff.domain.errors import FieldError, InvalidInput, RequestClosed, SignoffError

__all__ = [
    "Action",
    "AsyncClient",
    "AuditEntry",
    "AuditPage",
    "Ballot",
    "Client",
    "Filters",
    "Outcome",
    "Request",
    "RequestPage",
    "State",
    "Vote",
]

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
    """Who has claimed it; ``me`` is the caller."""
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


T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Call(Generic[T]):
    """One HTTP call, and what its answer is read as."""

    path: str
    answer: type[T]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def on(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        return http.build_request(
            "GET" if self.body is None else "POST",
            self.path,
            params=self.params,
            json=self.body,
            headers=self.headers,
        )

    def read(self, response: httpx.Response) -> T:
        if response.is_error:
            raise _error(response)
        return self.answer.model_validate_json(response.content)


def _requests(filters: Filters) -> _Call[RequestPage]:
    return _Call(path="/requests", answer=RequestPage, params=dict(filters))


def _request(request_id: str) -> _Call[Request]:
    return _Call(path=_path(request_id), answer=Request)


def _decide(request_id: str, action: str, ballot: Ballot) -> _Call[Request]:
    body = {"action": action, **ballot}
    key = body.pop("idempotency_key", None)
    return _Call(
        path=_path(request_id, "decisions"),
        answer=Request,
        body=body,
        headers={} if key is None else {"Idempotency-Key": str(key)},
    )


def _retry(request_id: str, reask: bool) -> _Call[Request]:
    return _Call(path=_path(request_id, "retry"), answer=Request, body={"reask": reask})


def _state(request_id: str) -> _Call[State]:
    return _Call(path=_path(request_id, "state"), answer=State)


def _audit(request_id: str) -> _Call[AuditPage]:
    return _Call(path=_path(request_id, "audit"), answer=AuditPage)


def _thread_audit(thread_id: str, cursor: str | None) -> _Call[AuditPage]:
    params = {"thread_id": thread_id, "cursor": cursor or "0"}
    return _Call(path="/audit", answer=AuditPage, params=params)


def _path(request_id: str, *below: str) -> str:
    return "/".join(["/requests", quote(str(request_id), safe=""), *below])


class Client:
    """A desk over HTTP, as `principal`. Close it, or use it as a context manager.

    `transport` is one of httpx's, in place of the network.
    """

    def __init__(
        self,
        url: str,
        *,
        principal: str | None = None,
        timeout: float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=url, headers=_headers(principal), timeout=timeout, transport=transport
        )

    def requests(self, **filters: Unpack[Filters]) -> RequestPage:
        """A page of requests: `items`, `next_cursor`, `total`; the newest first unless sorted.

        Raises:
            InvalidInput: A filter, the sort or the cursor is not well formed.
        """
        return self._send(_requests(filters))

    def all_requests(self, **filters: Unpack[Filters]) -> Iterator[Request]:
        """The requests of all pages, fetched page by page."""
        following: Filters | None = filters
        while following is not None:
            page = self.requests(**following)
            yield from page.items
            following = _following(following, page)

    def request(self, request_id: str) -> Request:
        """One request as it stands.

        Raises:
            RequestNotFound: There is no such request.
        """
        return self._send(_request(request_id))

    def decide(self, request_id: str, action: str, **ballot: Unpack[Ballot]) -> Request:
        """Decide a request. A repeat of one's own decision returns the request as it stands.

        Raises:
            RequestNotFound: There is no such request.
            RequestClosed: It is closed already.
            StaleDigest: `digest` is not of what the request shows now.
            InvalidAnswer: The action, the values or the note do not fit.
        """
        return self._send(_decide(request_id, action, ballot))

    def retry(self, request_id: str, *, reask: bool = False) -> Request:
        """Deliver an outcome again whose delivery failed; or, with `reask`, ask the question anew.

        Raises:
            RequestNotFound: There is no such request.
            NotRetryable: Its delivery has not failed.
        """
        return self._send(_retry(request_id, reask))

    def state(self, request_id: str) -> State:
        """The exact state in which the graph asked.

        Raises:
            RequestNotFound: There is no such request.
        """
        return self._send(_state(request_id))

    def audit(self, request_id: str) -> AuditPage:
        """What has happened to a request, in order.

        Raises:
            RequestNotFound: There is no such request.
        """
        return self._send(_audit(request_id))

    def thread_audit(self, thread_id: str, *, cursor: str | None = None) -> AuditPage:
        """A page of what has happened on a thread, in order, also after it was deleted.

        Raises:
            ThreadNotFound: There is no such thread, and never was.
        """
        return self._send(_thread_audit(thread_id, cursor))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _send(self, call: _Call[T]) -> T:
        return call.read(self._http.send(call.on(self._http)))


class AsyncClient:
    """`Client`, with methods to await."""

    def __init__(
        self,
        url: str,
        *,
        principal: str | None = None,
        timeout: float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers=_headers(principal), timeout=timeout, transport=transport
        )

    async def requests(self, **filters: Unpack[Filters]) -> RequestPage:
        """As `Client.requests`."""
        return await self._send(_requests(filters))

    async def all_requests(self, **filters: Unpack[Filters]) -> AsyncIterator[Request]:
        """As `Client.all_requests`."""
        following: Filters | None = filters
        while following is not None:
            page = await self.requests(**following)
            for request in page.items:
                yield request
            following = _following(following, page)

    async def request(self, request_id: str) -> Request:
        """As `Client.request`."""
        return await self._send(_request(request_id))

    async def decide(self, request_id: str, action: str, **ballot: Unpack[Ballot]) -> Request:
        """As `Client.decide`."""
        return await self._send(_decide(request_id, action, ballot))

    async def retry(self, request_id: str, *, reask: bool = False) -> Request:
        """As `Client.retry`."""
        return await self._send(_retry(request_id, reask))

    async def state(self, request_id: str) -> State:
        """As `Client.state`."""
        return await self._send(_state(request_id))

    async def audit(self, request_id: str) -> AuditPage:
        """As `Client.audit`."""
        return await self._send(_audit(request_id))

    async def thread_audit(self, thread_id: str, *, cursor: str | None = None) -> AuditPage:
        """As `Client.thread_audit`."""
        return await self._send(_thread_audit(thread_id, cursor))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def _send(self, call: _Call[T]) -> T:
        return call.read(await self._http.send(call.on(self._http)))


def _headers(principal: str | None) -> dict[bytes, bytes]:
    return {} if principal is None else {b"X-Signoff-Principal": principal.encode()}


def _following(filters: Filters, page: RequestPage) -> Filters | None:
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
    if isinstance(error, RequestClosed):
        error.request_id, error.state = str(problem.request_id), str(problem.state)
    if kind is SignoffError:
        vars(error)["code"] = problem.code
    return error
