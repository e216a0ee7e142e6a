"""Around every call: which it is, what it is limited to, what its answer says, how it went.

What routes and pages answer passes through here, and so does what has no route.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signoff.answering import CallTooSlow, UnknownHost, named_host
from signoff.api.problems import answer
from signoff.config import Settings
from signoff.ids import new_id
from signoff.log import bound, get_logger
from signoff.tracing.spans import OFF, Traces

log = get_logger(__name__)

HEADER = "x-request-id"

HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}
"""What an answer says to browsers, unless it says something else: pages have a policy of their own.
"""

HSTS = "max-age=31536000"
"""For a year, browsers are to come by HTTPS only, where that is how people reach the server."""

NO_HOST_NEEDED = frozenset({"/healthz", "/readyz", "/metrics"})
"""What machines ask for, by whatever address they know."""

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

_PLAIN = re.compile(r"/(healthz|readyz|metrics|inbox/static/.*|docs/.*)$")
"""What is asked for all the time and leads to nothing, so that it is not traced."""

_CALL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=@-]{0,127}")


class Watch(Protocol):
    """Somebody who is told of each call: metrics, or traces."""

    def __call__(self, scope: Scope, /) -> Ended:
        """A call begins; who is told how it goes."""


class Ended(Protocol):
    """Who is told that the head of an answer went out, or that a call ended without one."""

    def __call__(self, method: str, route: str | None, status: int, seconds: float, /) -> None:
        """It took so long until then; the `route` is a template, None where there is none."""


class Edge:
    """The application, with what every call has around it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        watches: Sequence[Watch] = (),
        traces: Traces = OFF,
    ) -> None:
        self._app = app
        self._hosts = tuple(host.lower() for host in settings.allowed_hosts)
        self._patience = settings.read_timeout.total_seconds()
        self._watches = watches
        self._traces = traces
        headers = dict(HEADERS)
        if (settings.public_url or "").lower().startswith("https://"):
            headers["strict-transport-security"] = HSTS
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a call on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        call_id = headers.get(HEADER, "")
        if not _CALL_ID.fullmatch(call_id):
            call_id = new_id()
        traces = OFF if _PLAIN.match(scope["path"]) else self._traces
        with bound(call_id=call_id), traces.call(headers) as span:
            watching = [watch(scope) for watch in self._watches]
            call = _Call(scope, call_id, watching if span is None else [*watching, span])
            try:
                app = self._app if self._is_ours(scope, headers) else _refuse
                await app(
                    scope,
                    Patient(receive, self._patience),
                    call.sending(send, self._headers),
                )
            finally:
                call.end()

    def _is_ours(self, scope: Scope, headers: Headers) -> bool:
        """Whether the server goes by the name that it was called by."""
        if not self._hosts or scope["path"] in NO_HOST_NEEDED:
            return True
        host = named_host(headers.get("host", ""))
        return any(
            host.endswith(known[1:]) if known.startswith("*.") else host == known
            for known in self._hosts
        )


class _Call:
    """One call, from its beginning to the end of its answer."""

    def __init__(self, scope: Scope, call_id: str, watching: Sequence[Ended]) -> None:
        self._scope = scope
        self._id = call_id.encode()
        self._watching = watching
        self._began = time.perf_counter()
        self._told = False

    def sending(self, send: Send, headers: Sequence[tuple[bytes, bytes]]) -> Send:
        """`send`, with what every answer says; the first that is sent is what a call took."""

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"] = list(message.get("headers", ()))
                there = {name.lower() for name, _ in given}
                given += [each for each in headers if each[0] not in there]
                if b"cache-control" not in there and b"etag" not in there:
                    given.append((b"cache-control", b"no-store"))
                given.append((HEADER.encode(), self._id))
                self._tell(message["status"])
            await send(message)

        return complete

    def end(self) -> None:
        """It has ended; without an answer if none has begun by now."""
        self._tell(500)

    def _tell(self, status: int) -> None:
        if self._told:
            return
        self._told = True
        seconds = time.perf_counter() - self._began
        method = self._scope["method"] if self._scope["method"] in METHODS else "OTHER"
        # A template and never the path: a path may have an id in it, or something to be kept quiet.
        route: str | None = getattr(self._scope.get("route"), "path", None)
        for ended in self._watching:
            ended(method, route, status, seconds)
        client = self._scope.get("client")
        log.debug(
            "call",
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            client=client[0] if client else None,
        )


class Patient:
    """`receive`, for a body that has to be there in time."""

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive = receive
        self._until = asyncio.get_running_loop().time() + seconds
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError as error:
            raise CallTooSlow("The body took too long to arrive. Nothing was done.") from error
        self._complete = not message.get("more_body", False)
        return message


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    refusal: Any = answer(UnknownHost("This server does not go by the name it was called by."))
    await refusal(scope, receive, send)
