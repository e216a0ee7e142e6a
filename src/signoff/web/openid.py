"""Signing in with an OpenID provider: the way there, and the way back."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from signoff import cookies
from signoff.authentication import SESSION
from signoff.domain.errors import NotFound, ProviderUnavailable, RateLimited, SignInRefused
from signoff.openid.provider import Provider
from signoff.service import openid
from signoff.service.openid import Answer
from signoff.web import csrf
from signoff.web.headers import PAGE
from signoff.web.sign_in import Door, address_of, form, path_within, provider_of, public_inbox

door = APIRouter(route_class=Door, include_in_schema=False)

LONGEST = 4000
"""Characters of a parameter that an answer comes with."""


@door.get("/inbox/sign-in/oidc")
async def go(request: Request) -> Response:
    """Send the browser to the provider."""
    provider = _provider(request)
    next, again = request.query_params.get("next", ""), "again" in request.query_params
    try:
        url = await openid.start(
            request.app.state.desk.office,
            provider,
            browser=csrf.secret_of(request),
            redirect_uri=_back(request),
            next=path_within(request, next),
            again=again,
            address=address_of(request),
        )
    except (ProviderUnavailable, RateLimited) as error:
        return await form(request, next=next, again=again, refusal=error)
    response = Response(status_code=303, headers={**PAGE, "location": url})
    csrf.keep(request, response)
    return response


@door.get("/inbox/sign-in/oidc/callback")
async def back(request: Request) -> Response:
    """Begin a session of whoever comes back, and go on to where they wanted to go."""
    provider, office = _provider(request), request.app.state.desk.office
    given = {name: value[:LONGEST] for name, value in request.query_params.items()}
    answer = Answer(
        state=given.get("state", ""),
        code=given.get("code"),
        error=given.get("error"),
        description=given.get("error_description"),
        issuer=given.get("iss"),
    )
    next, again = "", False
    try:
        flow = await openid.take(office, answer, browser=csrf.secret_of(request))
        next, again = flow.next, flow.again
        token = await openid.finish(
            office,
            provider,
            flow,
            answer,
            redirect_uri=_back(request),
            address=address_of(request),
            instead_of=cookies.get(request, SESSION),
        )
    except (SignInRefused, ProviderUnavailable) as error:
        return await form(request, next=next, again=again, refusal=error)
    response = Response(status_code=303, headers={**PAGE, "location": path_within(request, next)})
    cookies.keep(request, response, SESSION, token)
    return response


def _back(request: Request) -> str:
    """The address that the provider sends people back to."""
    return f"{public_inbox(request)}/sign-in/oidc/callback"


def _provider(request: Request) -> Provider:
    found = provider_of(request)
    if found is None:
        raise NotFound("There is no such page.")
    return found
