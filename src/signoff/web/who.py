"""Who looks at a page: the one place that knows how the inbox learns of it."""

from __future__ import annotations

import inspect

from starlette.requests import Request


async def who(request: Request) -> str:
    """The name of the principal, as the application's own policy has it.

    Raises:
        Unauthenticated: Nobody is signed in.
        Forbidden: Whoever it is, they may not.
    """
    by = request.app.state.principal(request)
    if inspect.isawaitable(by):
        by = await by
    name: str = by
    return name


def acting_as(request: Request) -> str | None:
    """The name of the cookie by which one may act as somebody else, where that is possible."""
    found: str | None = getattr(request.app.state.principal, "acts_as", None)
    return found
