"""A server that is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from signoff.cli import http_server
from signoff.cli.address import bind, listen
from signoff.cli.http_server import Connection, HttpServer
from tests.helpers import TIMEOUT, eventually


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def stopping() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that a server has accepted, on which nothing was said when it began to stop."""
    listener = bind("127.0.0.1", 0)
    host, port = listener.getsockname()
    listen(listener)
    server = HttpServer(uvicorn.Config(app, http=Connection, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.listens.wait()
    reader, writer = await asyncio.open_connection(host, port)

    async def accepted() -> bool:
        return bool(server.server_state.connections)

    async def closed() -> bool:
        return not any(each.is_serving() for each in server.servers)

    await eventually(accepted)
    server.should_exit = True
    await eventually(closed)
    yield reader, writer
    await asyncio.wait_for(serving, TIMEOUT)
    writer.close()


async def test_a_call_on_its_way_to_a_server_that_stops_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_server, "LINGER", TIMEOUT)
    async with stopping() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 204")


async def test_a_connection_on_which_nothing_is_said_does_not_keep_a_server_from_stopping() -> None:
    async with stopping() as (reader, _):
        assert await reader.read() == b""
