"""Who calls: found out for each request, by an API key or by what the application was given.

An application's own `authenticate` is a function of the request; it may look at a session or a
token. It returns who calls, or None if it does not know them, or raises `Unauthenticated` (or
`Forbidden`).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request

from signoff.domain.errors import Forbidden, Unauthenticated
from signoff.domain.key import PREFIX
from signoff.domain.principal import Principal, Role

Authenticate: TypeAlias = Callable[[Request], "Principal | Awaitable[Principal | None] | None"]


async def identify(request: Request) -> Principal:
    """Who calls.

    Raises:
        Unauthenticated: Nobody, or somebody whose key opens nothing.
    """
    key = _shown_key(request)
    if key is not None:
        principal: Principal = await request.app.state.desk.office.keyring.principal(key)
        return principal
    given = request.app.state.authenticate(request)
    if inspect.isawaitable(given):
        given = await given
    if given is None:
        raise Unauthenticated("Say who calls: send an API key as `Authorization: Bearer KEY`.")
    if not isinstance(given, Principal):
        raise TypeError(f"authenticate() returns a Principal or None, not {type(given).__name__}")
    return given


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


def require(principal: Principal, role: Role) -> None:
    """Return if somebody is of this role at least.

    Raises:
        Forbidden: They are not.
    """
    if not principal.role.includes(role):
        raise Forbidden(
            f"This takes the role {role.value}, and {principal.name} is a {principal.role.value}."
        )
