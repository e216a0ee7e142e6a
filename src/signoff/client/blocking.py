"""The client whose calls block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self, Unpack

import httpx

from signoff.api.engine_schemas import State
from signoff.api.schemas import (
    AuditPage,
    DeliveryPage,
    Preferences,
    Request,
    RequestPage,
    SentMessage,
)
from signoff.client import calls
from signoff.client.calls import AuditFilters, Ballot, Call, DeliveryFilters, Filters, T


class Client:
    """A desk over HTTP. Close it, or use it as a context manager.

    `headers` are sent along with each call, as an application around the desk may want them.
    `transport` is one of httpx's, in place of the network.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = calls.TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers=calls.headers(api_key, headers),
            timeout=timeout,
            transport=transport,
        )

    def requests(self, **filters: Unpack[Filters]) -> RequestPage:
        """A page of requests: `items`, `next_cursor`, `total`; the newest first unless sorted.

        Raises:
            InvalidInput: A filter, the sort or the cursor is not well formed.
        """
        return self._send(calls.requests(filters))

    def all_requests(self, **filters: Unpack[Filters]) -> Iterator[Request]:
        """The requests of all pages, fetched page by page."""
        following: Filters | None = filters
        while following is not None:
            page = self.requests(**following)
            yield from page.items
            following = calls.following(following, page)

    def request(self, request_id: str) -> Request:
        """One request as it stands.

        Raises:
            RequestNotFound: There is no such request.
        """
        return self._send(calls.request(request_id))

    def decide(self, request_id: str, action: str, **ballot: Unpack[Ballot]) -> Request:
        """Decide a request. A repeat of one's own decision returns the request as it stands.

        Raises:
            RequestNotFound: There is no such request.
            RequestClosed: It is closed already.
            StaleDigest: `digest` is not of what the request shows now.
            InvalidAnswer: The action, the values or the note do not fit.
        """
        return self._send(calls.decide(request_id, action, ballot))

    def take_back(self, request_id: str) -> Request:
        """Take one's vote back, while the request is open.

        Raises:
            RequestNotFound, RequestClosed
        """
        return self._send(calls.take_back(request_id))

    def claim(self, request_id: str) -> Request:
        """Show that one works on a request; all others may still decide it.

        Raises:
            RequestNotFound, RequestClosed, Forbidden, AlreadyClaimed
        """
        return self._send(calls.claim(request_id))

    def release(self, request_id: str) -> Request:
        """Give up one's claim.

        Raises:
            RequestNotFound, RequestClosed, AlreadyClaimed
        """
        return self._send(calls.release(request_id))

    def delegate(self, request_id: str, to: str) -> Request:
        """Hand a request on to a user or a ``group:``, who may then decide it with the same right.

        Raises:
            RequestNotFound, RequestClosed, Forbidden, InvalidInput
        """
        return self._send(calls.delegate(request_id, to))

    def comment(self, request_id: str, text: str) -> Request:
        """Say something on a request.

        Raises:
            RequestNotFound, RequestClosed, InvalidInput
        """
        return self._send(calls.comment(request_id, text))

    def withdraw(self, request_id: str, *, note: str | None = None) -> Request:
        """Take a request back, without an outcome; its thread stays where it is.

        Raises:
            RequestNotFound, RequestClosed, Forbidden
        """
        return self._send(calls.withdraw(request_id, note))

    def retry(self, request_id: str, *, reask: bool = False) -> Request:
        """Deliver an outcome again whose delivery failed; or, with `reask`, ask the question anew.

        Raises:
            RequestNotFound: There is no such request.
            NotRetryable: Its delivery has not failed.
        """
        return self._send(calls.retry(request_id, reask))

    def state(self, request_id: str) -> State:
        """The exact state in which the graph asked.

        Raises:
            RequestNotFound: There is no such request.
        """
        return self._send(calls.state(request_id))

    def audit(self, request_id: str) -> AuditPage:
        """What has happened to a request, in order.

        Raises:
            RequestNotFound: There is no such request.
        """
        return self._send(calls.audit(request_id))

    def thread_audit(self, thread_id: str, *, cursor: str | None = None) -> AuditPage:
        """A page of what has happened on a thread, in order, also after it was deleted.

        Raises:
            ThreadNotFound: There is no such thread, and never was.
        """
        return self._send(calls.thread_audit(thread_id, cursor))

    def audit_entries(self, **filters: Unpack[AuditFilters]) -> AuditPage:
        """A page of what has happened, in order, of all that one may know of.

        A page with a `next_cursor` may have fewer entries than `limit`.

        Raises:
            InvalidInput: A filter or the cursor is not well formed.
            RequestNotFound, ThreadNotFound: What it is narrowed to is not there, and never was.
        """
        return self._send(calls.audit_entries(filters))

    def deliveries(self, **filters: Unpack[DeliveryFilters]) -> DeliveryPage:
        """A page of messages that wait, were sent or were given up, the newest first.

        Raises:
            InvalidInput: A filter or the cursor is not well formed.
        """
        return self._send(calls.deliveries(filters))

    def delivery(self, delivery_id: str) -> SentMessage:
        """One message as it stands.

        Raises:
            DeliveryNotFound: There is no such message.
        """
        return self._send(calls.delivery(delivery_id))

    def redeliver(self, delivery_id: str) -> SentMessage:
        """Have a message that was given up sent again, under the same id.

        Raises:
            DeliveryNotFound: There is no such message.
            Conflict: It was not given up.
        """
        return self._send(calls.redeliver(delivery_id))

    def preferences(self) -> Preferences:
        """How one is told of requests: as one has chosen, else as is said for one.

        Raises:
            UserNotFound: Whoever calls is no user, and so told of nothing.
        """
        return self._send(calls.preferences())

    def choose_preferences(self, chosen: Preferences | Mapping[str, Any]) -> Preferences:
        """Choose how one is told; what is left out is as for whoever has chosen nothing.

        Raises:
            InvalidInput: Something in it cannot be; `errors` says where.
            UserNotFound: As with `preferences`.
        """
        return self._send(calls.choose_preferences(chosen))

    def reset_preferences(self) -> Preferences:
        """Go back to what is said for one.

        Raises:
            UserNotFound: As with `preferences`.
        """
        return self._send(calls.reset_preferences())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _send(self, call: Call[T]) -> T:
        return call.read(self._http.send(call.on(self._http)))
