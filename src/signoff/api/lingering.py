"""Refusing a body without breaking the connection under the client that still sends it.

Closing a connection on which unread bytes arrive resets it, and the reset may overtake the answer:
the client then sees a broken connection and not why. So the answer goes out whole first, and for a
moment what still arrives is thrown away (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

UNREAD: Final = "signoff.unread"
"""The key of a request's scope that says whether some of its body is still to come."""

MAX_DISCARDED: Final = 8 * 2**20
"""The most bytes that are thrown away."""

LINGER: Final = 2.0
"""Seconds for which a refused client is listened to at most."""


class LingeringResponse(Response):
    """A response after which the connection is closed although some of the body may be unread."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then let the client notice before the connection goes."""
        if not scope.get(UNREAD):
            await super().__call__(scope, receive, send)
            return
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        try:
            async with asyncio.timeout(LINGER):
                await _discard(receive)
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    left = MAX_DISCARDED
    while left > 0:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return
        left -= len(message["body"])
