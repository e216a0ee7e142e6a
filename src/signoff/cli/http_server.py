"""The HTTP server of a process: uvicorn, under our own signals, that cuts off no call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

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


class Connection(HttpToolsProtocol):
    """A connection that is not closed under a client which has just opened it.

    Its first request may be on its way while the server is told to stop, and the client would see
    it fail with no answer. Between two requests clients reckon with that, and try again.
    """

    def shutdown(self) -> None:
        """End once nothing is under way any more."""
        first_request: object = self.cycle
        if first_request is None:
            self.loop.call_later(LINGER, super().shutdown)
        else:
            super().shutdown()
