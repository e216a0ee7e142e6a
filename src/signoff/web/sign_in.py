"""Signing in and out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from signoff import cookies
from signoff.answering import status_of
from signoff.authentication import SESSION
from signoff.domain.errors import RateLimited, SignoffError, Unauthenticated
from signoff.domain.identity import OPENID
from signoff.domain.principal import Role
from signoff.openid.provider import Provider
from signoff.service import sessions
from signoff.web import csrf, form_data
from signoff.web.headers import PAGE
from signoff.web.route import UNESCAPED, PageRoute, Visit, base_of, page, problem

LONGEST = 2000
"""Characters of an address to go on to."""


ESCAPED = f"{UNESCAPED}?%"
"""What may stand in an address, with what is escaped in it."""


class Door(APIRoute):
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


door = APIRouter(route_class=Door, include_in_schema=False)
router = APIRouter(route_class=_Exit, include_in_schema=False)


@door.get("/inbox/sign-in")
async def ask(request: Request) -> Response:
    """The form."""
    wanted = request.query_params
    return await form(request, next=wanted.get("next", ""), again="again" in wanted)


@door.post("/inbox/sign-in")
async def sign_in(request: Request) -> Response:
    """Begin a session, and go on to where one wanted to go."""
    given = await form_data.read(request)
    csrf.check(request, given.get(csrf.FIELD, ""))
    name, next, again = given.get("name", "").strip(), given.get("next", ""), "again" in given
    try:
        token = await sessions.sign_in(
            request.app.state.desk.office,
            name,
            given.get("password", ""),
            address=address_of(request),
            instead_of=cookies.get(request, SESSION),
        )
    except (Unauthenticated, RateLimited) as error:
        return await form(request, next=next, again=again, name=name, refusal=error)
    response = Response(status_code=303, headers={**PAGE, "location": path_within(request, next)})
    cookies.keep(request, response, SESSION, token)
    return response


@router.post("/inbox/sign-out")
async def sign_out(visit: Visit) -> Response:
    """End this session, or all of one's own; and go on to the provider, to sign out there too."""
    request, ended = visit.request, None
    if (token := cookies.get(request, SESSION)) is not None:
        everywhere = "everywhere" in visit.form
        ended = await sessions.sign_out(visit.office, token, everywhere=everywhere)
    provider, there = provider_of(request), None
    if provider is not None and ended is not None and ended.method == OPENID:
        there = await provider.sign_out_url(ended.id_token, f"{public_inbox(request)}/sign-in")
    if provider is not None and there is not None:
        # A form may lead nowhere else than here: see `signoff.web.headers`.
        response = page(
            request, "signed_out.html", by=None, provider=provider.settings.name, there=there
        )
    else:
        response = Response(status_code=303, headers={**PAGE, "location": f"{visit.base}/sign-in"})
    cookies.drop(request, response, SESSION)
    return response


def path_within(request: Request, wanted: str) -> str:
    """The path that is wanted, if it is one of the inbox; else that of the inbox."""
    base = base_of(request)
    try:
        given = urlsplit(wanted)
    except ValueError:
        return base
    inside = given.path == base or given.path.startswith(f"{base}/")
    plain = wanted.isprintable() and "\\" not in wanted and len(wanted) <= LONGEST
    if given.scheme or given.netloc or not inside or not plain:
        return base
    path = quote(given.path, safe=ESCAPED)
    return path + (f"?{quote(given.query, safe=ESCAPED)}" if given.query else "")


def public_inbox(request: Request) -> str:
    """The address of the inbox as people, and their provider, have it."""
    public: str | None = request.app.state.desk.settings.public_url
    return f"{(public or str(request.base_url)).rstrip('/')}/inbox"


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "unknown"


def provider_of(request: Request) -> Provider | None:
    """The OpenID provider that people sign in with, if there is one."""
    found: Provider | None = request.app.state.openid
    return found


async def form(
    request: Request,
    *,
    next: str,
    again: bool = False,
    name: str = "",
    refusal: SignoffError | None = None,
) -> Response:
    """The page where one signs in; with a `refusal`, it says why one is not let in."""
    provider = provider_of(request)
    passwords = provider is None or await sessions.any_passwords(request.app.state.desk.office)
    return page(
        request,
        "sign_in.html",
        by=None,
        status=200 if refusal is None else status_of(refusal),
        next=next,
        again=again,
        name=name,
        refusal=None if refusal is None else refusal.message,
        provider=None if provider is None else provider.settings.name,
        passwords=passwords,
    )
