"""A server that is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn

from signoff.cli import http_server
from signoff.cli.address import bind, listen
from signoff.cli.http_server import MAX_HEAD, Connection, HttpServer
from tests.helpers import TIMEOUT, eventually


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[tuple[str, int]]:
    """A server of `app`, and where it listens."""
    listener = bind("127.0.0.1", 0)
    host, port = listener.getsockname()
    listen(listener)
    http: Any = partial(Connection, **limits)
    server = HttpServer(uvicorn.Config(app, http=http, lifespan="off", log_config=None))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    await server.listens.wait()
    yield host, port
    server.should_exit = True
    await asyncio.wait_for(running, TIMEOUT)


async def said(address: tuple[str, int], *parts: bytes) -> bytes:
    """All that a server says to this, until it closes the connection."""
    reader, writer = await asyncio.open_connection(*address)
    for part in parts:
        writer.write(part)
        await writer.drain()
    answer = await asyncio.wait_for(reader.read(), TIMEOUT)
    writer.close()
    return answer


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: here\r\nX-Slow: 1\r\n"]
)
async def test_a_head_that_does_not_arrive_in_time_is_refused(begun: bytes) -> None:
    async with serving(patience=0.05) as address:
        answer = await said(address, begun)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"\r\nconnection: close\r\n" in answer


async def test_a_second_call_on_a_connection_has_to_arrive_in_time_as_well() -> None:
    async with serving(patience=0.05) as address:
        answer = await said(address, b"GET / HTTP/1.1\r\nHost: here\r\n\r\nGET /")
        assert [line[:12] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/")] == [
            b"HTTP/1.1 204",
            b"HTTP/1.1 408",
        ]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * MAX_HEAD,
        b"GET / HTTP/1.1\r\nX-Long: " + b"a" * MAX_HEAD,
        b"GET / HTTP/1.1\r\nHost: here\r\n" + b"X-Many: 1234567890\r\n" * 5000,
        b"GET / HTTP/1.1\r\nHost: here\r\n" + b"X-Many: 1234567890\r\n" * 5000 + b"\r\n",
    ],
    ids=["address", "header", "headers", "complete"],
)
async def test_a_head_that_is_too_large_is_refused(head: bytes) -> None:
    async with serving() as address:
        assert (await said(address, head)).startswith(b"HTTP/1.1 431 ")


async def test_a_long_body_and_calls_in_a_row_do_not_count_as_a_head() -> None:
    async with serving() as address:
        size = 4 * MAX_HEAD
        post = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % size
        last = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        answer = await said(address, post, b"a" * size, last)
        assert answer.count(b"HTTP/1.1 204") == 2


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
