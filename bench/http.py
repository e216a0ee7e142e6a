"""A client that costs little, so that the servers are what is measured."""

from __future__ import annotations

import asyncio
import json
from typing import Any


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

    async def _send(self, method: str, path: str, data: bytes) -> Any:
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: bench\r\nX-Signoff-Principal: bench\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, *headers = head.decode().split("\r\n")
        lengths = [line for line in headers if line.lower().startswith("content-length:")]
        if lengths:
            answer = await self._reader.readexactly(int(lengths[0].partition(":")[2]))
        else:
            answer = await self._chunks()
        if status.split(" ")[1][0] != "2":
            raise RuntimeError(f"{status}: {answer.decode()[:500]}")
        return json.loads(answer)

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self._reader.readline(), 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return b"".join(parts)

    def close(self) -> None:
        """Disconnect."""
        self._writer.close()
