"""Server-sent events, for as long as there are any and somebody reads them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from signoff.domain.errors import NotFound, SignoffError
from signoff.log import get_logger
from signoff.stopping import stopped

log = get_logger(__name__)

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that nobody cuts the connection."""


def frame(event: str, data: str, id: str) -> bytes:
    """One event; `data` is JSON in one line."""
    return f"event: {event}\ndata: {data}\nid: {id}\n\n".encode()


class EventStream(Response):
    """An answer of server-sent events: of these frames, in pages, of which some may be empty.

    A reader who is gone ends it. It is cut off, and not ended in order, where it is not at its end:
    then a reader knows to come back and say which event it had last. So it is where the reader may
    not read any more.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        pages: AsyncIterator[Sequence[bytes]],
        headers: Mapping[str, str] | None = None,
        status_code: int = 200,  # FastAPI reads it from here
    ) -> None:
        super().__init__(
            status_code=status_code, headers={**(headers or {}), "cache-control": "no-store"}
        )
        del self.headers["content-length"]
        self.headers["x-accel-buffering"] = "no"  # nginx would hold events back
        self._pages = pages
        self.check_reader: Callable[[], Awaitable[None]] = _let_read
        """Called before anything goes out: raises an error if the reader may not read any more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, and the events as they come."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        sending = asyncio.create_task(self._send(send), name="signoff events")
        gone = asyncio.create_task(_gone(receive), name="signoff reader")
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # the server does not wait any longer, and nobody else cancels a call
        finally:
            await stopped([sending, gone])
        if not sending.cancelled() and (error := sending.exception()) is not None:
            if not isinstance(error, SignoffError):
                raise error
            log.warning("a stream of events was cut off", error=str(error))

    async def _send(self, send: Send) -> None:
        last = time.monotonic()
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        try:
            async for page in self._pages:
                body = b"".join(page)
                if not body and time.monotonic() - last < HEARTBEAT:
                    continue
                last = time.monotonic()
                await self.check_reader()
                body = body or b": heartbeat\n\n"
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except NotFound:
            pass  # what was followed was deleted: that is its end
        await send({"type": "http.response.body", "body": b""})


async def _let_read() -> None:
    pass


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
