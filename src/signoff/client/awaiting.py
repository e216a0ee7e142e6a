"""The client whose calls are awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
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


class AsyncClient:
    """`Client`, with methods to await."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = calls.TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=calls.headers(api_key, headers),
            timeout=timeout,
            transport=transport,
        )

    async def requests(self, **filters: Unpack[Filters]) -> RequestPage:
        """As `Client.requests`."""
        return await self._send(calls.requests(filters))

    async def all_requests(self, **filters: Unpack[Filters]) -> AsyncIterator[Request]:
        """As `Client.all_requests`."""
        following: Filters | None = filters
        while following is not None:
            page = await self.requests(**following)
            for request in page.items:
                yield request
            following = calls.following(following, page)

    async def request(self, request_id: str) -> Request:
        """As `Client.request`."""
        return await self._send(calls.request(request_id))

    async def decide(self, request_id: str, action: str, **ballot: Unpack[Ballot]) -> Request:
        """As `Client.decide`."""
        return await self._send(calls.decide(request_id, action, ballot))

    async def take_back(self, request_id: str) -> Request:
        """As `Client.take_back`."""
        return await self._send(calls.take_back(request_id))

    async def claim(self, request_id: str) -> Request:
        """As `Client.claim`."""
        return await self._send(calls.claim(request_id))

    async def release(self, request_id: str) -> Request:
        """As `Client.release`."""
        return await self._send(calls.release(request_id))

    async def delegate(self, request_id: str, to: str) -> Request:
        """As `Client.delegate`."""
        return await self._send(calls.delegate(request_id, to))

    async def comment(self, request_id: str, text: str) -> Request:
        """As `Client.comment`."""
        return await self._send(calls.comment(request_id, text))

    async def withdraw(self, request_id: str, *, note: str | None = None) -> Request:
        """As `Client.withdraw`."""
        return await self._send(calls.withdraw(request_id, note))

    async def retry(self, request_id: str, *, reask: bool = False) -> Request:
        """As `Client.retry`."""
        return await self._send(calls.retry(request_id, reask))

    async def state(self, request_id: str) -> State:
        """As `Client.state`."""
        return await self._send(calls.state(request_id))

    async def audit(self, request_id: str) -> AuditPage:
        """As `Client.audit`."""
        return await self._send(calls.audit(request_id))

    async def thread_audit(self, thread_id: str, *, cursor: str | None = None) -> AuditPage:
        """As `Client.thread_audit`."""
        return await self._send(calls.thread_audit(thread_id, cursor))

    async def audit_entries(self, **filters: Unpack[AuditFilters]) -> AuditPage:
        """As `Client.audit_entries`."""
        return await self._send(calls.audit_entries(filters))

    async def deliveries(self, **filters: Unpack[DeliveryFilters]) -> DeliveryPage:
        """As `Client.deliveries`."""
        return await self._send(calls.deliveries(filters))

    async def delivery(self, delivery_id: str) -> SentMessage:
        """As `Client.delivery`."""
        return await self._send(calls.delivery(delivery_id))

    async def redeliver(self, delivery_id: str) -> SentMessage:
        """As `Client.redeliver`."""
        return await self._send(calls.redeliver(delivery_id))

    async def preferences(self) -> Preferences:
        """As `Client.preferences`."""
        return await self._send(calls.preferences())

    async def choose_preferences(self, chosen: Preferences | Mapping[str, Any]) -> Preferences:
        """As `Client.choose_preferences`."""
        return await self._send(calls.choose_preferences(chosen))

    async def reset_preferences(self) -> Preferences:
        """As `Client.reset_preferences`."""
        return await self._send(calls.reset_preferences())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def _send(self, call: Call[T]) -> T:
        return call.read(await self._http.send(call.on(self._http)))
