"""Who may be somebody else here."""

from __future__ import annotations

from starlette.requests import Request


def acting_as(request: Request) -> str | None:
    """The name of the cookie by which one may act as somebody else, where that is possible."""
    found: str | None = getattr(request.app.state.authenticate, "acts_as", None)
    return found
