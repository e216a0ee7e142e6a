"""Who calls: found out for each request, by an API key, a session, or what the application knows.

An application's own `authenticate` is a function of the request; it may look at a session or a
token. It returns who calls, or None if it does not know them, or raises `Unauthenticated` (or
`Forbidden`).
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TypeAlias
from urllib.parse import urlsplit

from starlette.requests import Request

from signoff import cookies
from signoff.domain.errors import Forbidden, Unauthenticated
from signoff.domain.key import PREFIX
from signoff.domain.principal import Principal, Role
from signoff.log import get_logger
from signoff.service.sessions import signed_in

log = get_logger(__name__)

Authenticate: TypeAlias = Callable[[Request], "Principal | Awaitable[Principal | None] | None"]


SESSION = "signoff_session"
"""The cookie of those who have signed in."""

NEW_SESSION = "signoff.session"
"""Where a request's scope has the token that is to take the place of the one in the cookie."""

SAFE = ("GET", "HEAD", "OPTIONS")


async def identify(request: Request, *, page: bool = False, again: bool = False) -> Principal:
    """Who calls: whose key it is, else who is signed in, else whom the application knows.

    A `page` can have its cookie replaced. What a browser does by itself, and looking `again` at
    somebody who reads on, does not count as somebody being there.

    Raises:
        Unauthenticated: Nobody, or somebody whose key opens nothing.
        Forbidden: A page of another site has the browser send this.
    """
    key = _shown_key(request)
    if key is not None:
        principal: Principal = await request.app.state.desk.office.keyring.principal(key)
        return principal
    if (token := cookies.get(request, SESSION)) is not None:
        found = await signed_in(
            request.app.state.desk.office,
            token,
            rotate=page,
            there=not (again or _is_by_itself(request)),
        )
        if found is not None:
            if request.method not in SAFE:
                _check_origin(request)
            request.scope[NEW_SESSION] = found.token
            return found.principal
    given = request.app.state.authenticate(request)
    if inspect.isawaitable(given):
        given = await given
    if given is None:
        raise Unauthenticated(
            "Sign in to go on."
            if page
            else "Say who calls: send an API key as `Authorization: Bearer KEY`."
        )
    if not isinstance(given, Principal):
        raise TypeError(f"authenticate() returns a Principal or None, not {type(given).__name__}")
    return given


def _is_by_itself(request: Request) -> bool:
    """Whether a page that is open somewhere asks for this, and perhaps nobody looks at it."""
    headers = request.headers
    return request.method in SAFE and (
        "hx-request" in headers or "text/event-stream" in headers.get("accept", "")
    )


def _check_origin(request: Request) -> None:
    """Return if what a browser sends along a session with comes from a page of this server.

    Raises:
        Forbidden: It does not, or it is not said where it comes from, as every browser does.
    """
    site = request.headers.get("sec-fetch-site")
    origin = urlsplit(request.headers.get("origin", ""))
    if site is None and origin.netloc and origin.netloc == request.headers.get("host"):
        return
    if site != "same-origin":
        raise Forbidden("This did not come from a page of this server. Nothing was changed.")


def _shown_key(request: Request) -> str | None:
    """The API key that comes with a request.

    Other tokens are of no concern here: LangGraph's SDK sends whatever key it finds.
    """
    shown = {value for name, value in request.headers.items() if name == "x-api-key"}
    for name, value in request.headers.items():
        scheme, _, token = value.partition(" ")
        if name == "authorization" and scheme.lower() == "bearer":
            shown.add(token)
    keys = {each.strip() for each in shown if each.strip().startswith(f"{PREFIX}_")}
    if len(keys) > 1:
        raise Unauthenticated("There are several API keys in this request: send one.")
    return keys.pop() if keys else None


def nobody_else(request: Request) -> None:
    """Know nobody but those with a key or a session."""
    ignore_header(request)


HEADER = "X-Signoff-Principal"
"""What callers could once name themselves by. It means nothing."""


def ignore_header(request: Request) -> None:
    """Say in the log, once, that a header is sent for nothing."""
    if HEADER in request.headers:
        _warn_of_header()


@cache
def _warn_of_header() -> None:
    log.warning(f"the header {HEADER} means nothing: callers send an API key, or sign in")


def require(principal: Principal, role: Role) -> None:
    """Return if somebody is of this role at least.

    Raises:
        Forbidden: They are not.
    """
    if not principal.role.includes(role):
        raise Forbidden(
            f"This takes the role {role.value}, and {principal.name} is a {principal.role.value}."
        )


CHECKED = 60.0
"""Seconds after which somebody who reads on and on is looked at anew in any case."""


class Reader:
    """Somebody who follows a stream, for as long as they could ask for it anew."""

    def __init__(self, request: Request, principal: Principal) -> None:
        self._request = request
        self._principal = principal
        self._changes = self._told()
        self._checked_at = time.monotonic()

    async def check(self) -> None:
        """Return if nothing has changed about them.

        Raises:
            Unauthenticated, Forbidden: They may not read on, or not as before.
        """
        changes, now = self._told(), time.monotonic()
        if changes == self._changes and now - self._checked_at < CHECKED:
            return
        principal = await identify(self._request, again=True)
        if (principal.name, principal.role, principal.graphs) != (
            self._principal.name,
            self._principal.role,
            self._principal.graphs,
        ):
            raise Unauthenticated("What the reader may do has changed meanwhile.")
        self._changes, self._checked_at = changes, now

    def _told(self) -> int:
        """How often this process was told that somebody's rights have changed."""
        changes: int = self._request.app.state.desk.office.keyring.changes
        return changes
