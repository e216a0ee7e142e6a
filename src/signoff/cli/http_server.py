"""The HTTP server of a process: uvicorn, under our own signals, that cuts off no call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socket import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LINGER = 0.5
"""Seconds for which a server that stops waits for the first request of a connection it accepted."""


class HttpServer(uvicorn.Server):
    """uvicorn, that says when it listens. It stops once `should_exit` is set."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the process has its own way with them."""
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.listens.set()


MAX_HEAD = 64 * 1024
"""The most bytes of a call's head: its address and its headers."""

TOO_SLOW = 408, b"The head of the request took too long to arrive."
TOO_LARGE = 431, b"The head of the request is over the limit of 65,536 bytes."


class Connection(HttpToolsProtocol):
    """A connection that takes as much as a call may have, for as long as a call may take to arrive.

    It is not closed under a client which has just opened it. Its first request may be on its way
    while the server is told to stop, and the client would see it fail with no answer. Between two
    requests clients reckon with that, and try again.
    """

    def __init__(self, *args: Any, patience: float = 30.0, **kwargs: Any) -> None:
        """As uvicorn's; the head of a call may take `patience` seconds to arrive."""
        super().__init__(*args, **kwargs)
        self._patience = patience
        self._head = 0  # bytes that have arrived of a head that is not complete
        self._size = 0  # of what was read of it
        self._in_head = True
        self._refused = False
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a call."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrives, as far as it is not too much."""
        if self._refused:
            return
        if in_head := self._in_head:
            self._head += len(data)
            self._await_head()
        super().data_received(data)
        if in_head and self._in_head and self._head > MAX_HEAD:
            self._refuse(*TOO_LARGE)

    def on_message_begin(self) -> None:
        """A head begins to arrive."""
        self._size = 0
        self._await_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Some of its address."""
        self._size += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        self._size += len(name) + len(value) + len(": \r\n")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All of it is there: answer it, or refuse it as too large."""
        self._in_head, self._head = False, 0
        self._stop_waiting()
        if self._size > MAX_HEAD:
            self._refuse(*TOO_LARGE)
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of a body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes next is another head; until it begins, the connection may be idle."""
        if not self._refused:
            self._in_head = True
            super().on_message_complete()

    def shutdown(self) -> None:
        """End once nothing is under way any more."""
        first_request: object = self.cycle
        if first_request is None:
            self.loop.call_later(LINGER, super().shutdown)
        else:
            super().shutdown()

    def _await_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self._patience, self._refuse, *TOO_SLOW)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self, status: int, why: bytes) -> None:
        self._refused = True
        self._stop_waiting()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: text/plain\r\n"
            f"content-length: {len(why)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + why)
        self.transport.close()
