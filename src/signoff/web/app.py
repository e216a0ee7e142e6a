"""The inbox as a part of the application that serves a desk."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from signoff.domain.errors import NotFound
from signoff.domain.principal import Role
from signoff.openid.provider import Provider
from signoff.own_machine import ACTS_AS, OwnMachine, acting_as
from signoff.service.users import as_user
from signoff.web import (
    decide,
    deliveries,
    lists,
    live,
    openid,
    overview,
    preferences,
    requests,
    sign_in,
    static,
    threads,
)
from signoff.web.headers import PAGE
from signoff.web.route import PageRoute, Visit


class _Switch(PageRoute):
    """Where one becomes somebody else: also out of a role that may do nothing."""

    def role(self) -> Role:
        return Role.VIEWER


router = APIRouter(route_class=PageRoute, include_in_schema=False)
switch = APIRouter(route_class=_Switch, include_in_schema=False)


@switch.post("/inbox/act-as")
async def act_as(visit: Visit) -> Response:
    """Act as a user from now on, or as oneself, where the server lets whoever calls do so."""
    oneself = visit.request.app.state.authenticate
    if not isinstance(oneself, OwnMachine):
        raise NotFound("Here nobody acts as somebody else.")
    from_now_on = visit.form.get("as", "").strip()
    if from_now_on != oneself.name:
        await as_user(visit.office, from_now_on)
    back = urlsplit(visit.form.get("back", ""))
    path = back.path if back.path.startswith(visit.base) else visit.base
    response = Response(
        status_code=303,
        headers={**PAGE, "location": path + (f"?{back.query}" if back.query else "")},
    )
    place = visit.request.scope.get("root_path") or "/"
    if from_now_on == oneself.name:
        response.delete_cookie(ACTS_AS, path=place)
    else:
        response.set_cookie(
            ACTS_AS, acting_as(from_now_on), path=place, httponly=True, samesite="strict"
        )
    return response


@router.get("/inbox/{path:path}")
async def nothing(visit: Visit, path: str) -> Response:
    """No page of ours."""
    raise NotFound("There is no such page.")


ROUTERS = (
    sign_in.door,
    openid.door,
    sign_in.router,
    decide.router,
    lists.router,
    requests.router,
    live.router,
    threads.router,
    overview.router,
    deliveries.router,
    preferences.router,
    switch,
    router,
)
"""All pages; the last one takes what no other does."""


def install(app: FastAPI) -> None:
    """Add the inbox to an application whose state has the desk and the policy of principals."""
    desk = app.state.desk
    known = desk.settings.oidc
    app.state.openid = None if known is None else Provider(known, lambda: desk.office.now())
    decide.keep_out_of_logs()
    for each in (static.router, *ROUTERS):
        app.include_router(each)

    @app.get("/", include_in_schema=False)
    async def home(request: Request) -> Response:
        """The way in."""
        root = request.scope.get("root_path", "")
        return Response(status_code=307, headers={"location": f"{root}/inbox"})
