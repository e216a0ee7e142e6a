"""Signing in and out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from signoff import cookies
from signoff.authentication import SESSION
from signoff.domain.errors import RateLimited, Unauthenticated
from signoff.domain.principal import Role
from signoff.service import sessions
from signoff.web import csrf, form_data
from signoff.web.headers import PAGE
from signoff.web.route import PageRoute, Visit, base_of, page, problem


class _Door(APIRoute):
    """A page for those who are nobody yet."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                return problem(request, error, None)

        return answer


class _Exit(PageRoute):
    """For whoever is in."""

    def role(self) -> Role:
        return Role.VIEWER


door = APIRouter(route_class=_Door, include_in_schema=False)
router = APIRouter(route_class=_Exit, include_in_schema=False)


@door.get("/inbox/sign-in")
async def ask(request: Request) -> Response:
    """The form."""
    return _form(request, next=request.query_params.get("next", ""))


@door.post("/inbox/sign-in")
async def sign_in(request: Request) -> Response:
    """Begin a session, and go on to where one wanted to go."""
    form = await form_data.read(request)
    csrf.check(request, form.get(csrf.FIELD, ""))
    name, next = form.get("name", "").strip(), form.get("next", "")
    address = request.client.host if request.client else "unknown"
    try:
        token = await sessions.sign_in(
            request.app.state.desk.office,
            name,
            form.get("password", ""),
            address=address,
            instead_of=cookies.get(request, SESSION),
        )
    except (Unauthenticated, RateLimited) as error:
        status = 429 if isinstance(error, RateLimited) else 401
        return _form(request, next=next, name=name, refusal=error.message, status=status)
    response = Response(status_code=303, headers={**PAGE, "location": path_within(request, next)})
    cookies.keep(request, response, SESSION, token)
    return response


@router.post("/inbox/sign-out")
async def sign_out(visit: Visit) -> Response:
    """End this session, or all of one's own."""
    request = visit.request
    if (token := cookies.get(request, SESSION)) is not None:
        everywhere = "everywhere" in visit.form
        await sessions.sign_out(visit.office, token, everywhere=everywhere)
    response = Response(status_code=303, headers={**PAGE, "location": f"{visit.base}/sign-in"})
    cookies.drop(request, response, SESSION)
    return response


def path_within(request: Request, wanted: str) -> str:
    """The path that is wanted, if it is one of the inbox; else that of the inbox."""
    base = base_of(request)
    given = urlsplit(wanted)
    inside = given.path == base or given.path.startswith(f"{base}/")
    if given.scheme or given.netloc or not inside or not wanted.isprintable() or "\\" in wanted:
        return base
    return given.path + (f"?{given.query}" if given.query else "")


def _form(
    request: Request, *, next: str, name: str = "", refusal: str | None = None, status: int = 200
) -> Response:
    return page(
        request, "sign_in.html", by=None, status=status, next=next, name=name, refusal=refusal
    )
