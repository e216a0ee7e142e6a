"""The cookies of a browser: their names say how they were set, where that can be had.

Behind https a name begins with ``__Host-``. Browsers take such a cookie only from this very host,
over https and for all of its paths: no neighbour under the same domain can set one of its own in
its place. Mounted below a path of another application, with whom the host is shared, it is
``__Secure-``, and for that path alone. A cookie without that beginning then counts for nothing.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response


def name_of(request: Request, name: str) -> str:
    """The name by which the browser knows a cookie."""
    if not is_secure(request):
        return name
    return f"{'__Secure-' if request.scope.get('root_path') else '__Host-'}{name}"


def get(request: Request, name: str) -> str | None:
    """What the browser has kept."""
    return request.cookies.get(name_of(request, name))


def keep(request: Request, response: Response, name: str, value: str) -> None:
    """Have the browser keep something for as long as it is open, out of the sight of scripts.

    It comes along when somebody follows a link from elsewhere, and not with what another site has
    the browser send (``SameSite=Lax``).
    """
    response.set_cookie(
        name_of(request, name),
        value,
        path=_path(request),
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )


def drop(request: Request, response: Response, name: str) -> None:
    """Have the browser forget something."""
    response.delete_cookie(
        name_of(request, name),
        path=_path(request),
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )


def is_secure(request: Request) -> bool:
    """Whether people reach this server by https: by its public address, else as this one came."""
    public: str | None = request.app.state.desk.settings.public_url
    return (public or str(request.url)).lower().startswith("https:")


def _path(request: Request) -> str:
    return request.scope.get("root_path") or "/"
