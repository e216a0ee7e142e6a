"""A receiver of webhooks that answers as it is told, on a port of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HANG = b""
"""Take the call, and never answer."""


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer with this status and these headers."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Call:
    """A call as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What it says."""
        return orjson.loads(self.body)


@dataclass
class Receiver:
    """Keeps the calls that come, and answers each with the next of `answers`, then with 200."""

    port: int = 0
    answers: list[bytes] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    on_call: Callable[[Call], None] = lambda _call: None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def next(self, count: int) -> list[Call]:
        """The calls, once there are so many."""
        async with asyncio.timeout(30):
            while len(self.calls) < count:
                self.came.clear()
                await self.came.wait()
        return self.calls

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")[:-2]
                headers = dict(line.lower().split(": ", 1) for line in lines)
                headers |= {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                said = self.answers.pop(0) if self.answers else OK
                self.calls.append(Call(first.split(" ")[1], headers, body))
                self.on_call(self.calls[-1])
                self.came.set()
                if not said:
                    await reader.read()  # until the caller has had enough
                    return
                writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver, while it is entered."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver._take, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
