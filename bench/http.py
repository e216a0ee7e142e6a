"""A client that costs little, so that the servers are what is measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

KEY = f"signoff_{'0' * 12}_{'0' * 43}"
"""The API key that `bench.processes.migrate` puts into the database under test."""


class Connection:
    """One kept-alive HTTP/1.1 connection to a local server."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> Connection:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        return self

    async def post(self, path: str, body: Any) -> Any:
        """The JSON of the answer.

        Raises:
            RuntimeError: The status is not 2xx.
        """
        return await self._send("POST", path, json.dumps(body).encode())

    async def get(self, path: str) -> Any:
        """The JSON of the answer.

        Raises:
            RuntimeError: The status is not 2xx.
        """
        return await self._send("GET", path, b"")

    async def events(self, path: str, body: Any) -> AsyncIterator[tuple[str, bytes]]:
        """The server-sent events of the answer, each by its name and its data.

        Raises:
            RuntimeError: The status is not 200.
        """
        status, _ = await self._ask("POST", path, json.dumps(body).encode())
        if status.split(" ")[1] != "200":
            raise RuntimeError(status)
        left = b""
        while chunk := await self._chunk():
            *frames, left = (left + chunk).split(b"\n\n")
            for frame in frames:
                lines = frame.split(b"\n")
                fields = dict(line.split(b": ", 1) for line in lines if not line.startswith(b":"))
                if fields:
                    yield fields[b"event"].decode(), fields[b"data"]

    async def _ask(self, method: str, path: str, data: bytes) -> tuple[str, list[str]]:
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, *headers = head.decode().split("\r\n")
        return status, headers

    async def _send(self, method: str, path: str, data: bytes) -> Any:
        status, headers = await self._ask(method, path, data)
        lengths = [line for line in headers if line.lower().startswith("content-length:")]
        if lengths:
            answer = await self._reader.readexactly(int(lengths[0].partition(":")[2]))
        else:
            answer = b"".join([chunk async for chunk in self._chunks()])
        if status.split(" ")[1][0] != "2":
            raise RuntimeError(f"{status}: {answer.decode()[:500]}")
        return json.loads(answer)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while chunk := await self._chunk():
            yield chunk

    async def _chunk(self) -> bytes:
        size = int(await self._reader.readline(), 16)
        return (await self._reader.readexactly(size + 2))[:-2]

    def close(self) -> None:
        """Disconnect."""
        self._writer.close()
