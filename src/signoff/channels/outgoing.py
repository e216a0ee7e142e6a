"""Calls of addresses that somebody has given: they reach nothing that is not meant to be reached.

A name is looked up once, what it stands for is checked, and the connection is made to the very
address that was checked. Redirects are not followed, every step has its time, and of an answer no
more than its beginning is read.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import certifi
import httpcore
import httpx

from signoff.clock import utcnow
from signoff.domain.errors import ChannelError
from signoff.domain.outside import Allowed
from signoff.domain.webhook import url_problem

MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read."""

CONNECT = 10.0
"""Seconds to look up a name and connect."""

STEP = 15.0
"""Seconds for each step after that: to write, and to wait for the next bytes."""

NOTHING_INSIDE = Allowed()

# HTTPX and what is beneath it log addresses and headers of calls, which hold secrets.
_calling: ContextVar[bool] = ContextVar("calling", default=False)
for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(lambda record: not _calling.get())

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Looks up the addresses of a host."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as this machine finds them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call, and the beginning of its body, as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outgoing:
    """An HTTP client for addresses that are not ours to trust; open while it is entered.

    `timeout` is for a whole call. Proxies of the environment are not used: one would make the
    connection in our place, to an address that nobody has checked.
    """

    def __init__(
        self,
        allowed: Allowed = NOTHING_INSIDE,
        *,
        timeout: timedelta = timedelta(seconds=30),
        resolve: Resolve = resolve,
    ) -> None:
        self._backend = _Checked(allowed, resolve)
        self._timeout = timeout.total_seconds()
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post something, and return what is answered, whatever its status.

        Raises:
            ChannelError: Nothing is answered; permanent where that address may not be called.
        """
        check_url(url)
        unlogged = _calling.set(True)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(url, body, headers)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ChannelError("no answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise ChannelError(f"no answer: {str(error) or type(error).__name__}") from error
        finally:
            _calling.reset(unlogged)

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        given = {"Accept-Encoding": "identity", **headers}
        request = self._opened().build_request("POST", url, content=body, headers=given)
        response = await self._opened().send(request, stream=True)
        try:
            read = b""
            async for part in response.aiter_raw():
                read += part
                if len(read) >= MAX_ANSWER:
                    break
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, read[:MAX_ANSWER])

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=_Transport(self._backend),
                timeout=httpx.Timeout(STEP, connect=CONNECT, pool=STEP),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


def check_url(url: str) -> None:
    """Return if this may be an address to call.

    Raises:
        ChannelError: It is none of http or https, or has no host; permanent.
    """
    if (problem := url_problem(url)) is not None:
        raise ChannelError(problem, permanent=True)


def outcome_of(answer: Answer) -> None:
    """Return if a receiver has taken what it was sent.

    Raises:
        ChannelError: It has not; permanent where it never will, which are redirects, since they
            are not followed, and 410. How long it asks to be left alone is told with it.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise ChannelError(f"answered {status}, a redirect, which is not followed", permanent=True)
    if status == 410:
        raise ChannelError("answered 410: it wants nothing any more", permanent=True)
    asked = _retry_after(answer.headers.get("retry-after")) if status in (429, 503) else None
    raise ChannelError(f"answered {status}", retry_after=asked)


def _retry_after(said: str | None) -> timedelta | None:
    """What a header says: seconds, or a date (RFC 9110, section 10.2.3)."""
    if said is None:
        return None
    if said.strip().isdecimal():
        return timedelta(seconds=min(int(said), 10**6))
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - utcnow(), timedelta())


class _Transport(httpx.AsyncHTTPTransport):
    """HTTPX's own transport, on connections that were checked.

    It has no setting for how connections are made; the pool beneath it has.
    """

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=30.0,
            network_backend=backend,
        )


class _Checked(httpcore.AsyncNetworkBackend):
    """Makes connections to addresses that may be called."""

    def __init__(self, allowed: Allowed, resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host, which is looked up here and nowhere else."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not found in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} was not found") from error
        open_to_us = [each for each in addresses if self._allowed.takes(host, each)]
        if not open_to_us:
            raise ChannelError(
                f"{host} is not outside of this network: allow it with outgoing_allowed"
                " if it is meant to be called",
                permanent=True,
            )
        for last, address in enumerate(open_to_us[:3], start=1 - min(len(open_to_us), 3)):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not last:
                    raise
        raise AssertionError("the last address has raised")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Never: that is inside."""
        raise ChannelError("a socket of this machine is not called", permanent=True)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._network.sleep(seconds)
