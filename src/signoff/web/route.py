"""What every page has in common: who looks at it, where forms come from, errors as pages."""

from __future__ import annotations

import gzip
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from signoff import cookies
from signoff.acting import acting
from signoff.answering import Desk, known, sent_elsewhere, status_of
from signoff.authentication import NEW_SESSION, SESSION, identify, require
from signoff.domain import errors
from signoff.domain.principal import Principal, Role
from signoff.log import get_logger
from signoff.own_machine import ACTS_AS
from signoff.service.office import Office
from signoff.service.sight import check_path
from signoff.web import csrf, form_data, rendering
from signoff.web.form_data import FormData
from signoff.web.headers import PAGE

log = get_logger(__name__)

UNESCAPED = "/:@!$&'()*+,;=~"
"""What stands in the path of an address as it is, besides letters, digits and ``-._``."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """Somebody looks at a page, or sends a form from one."""

    request: Request
    desk: Desk
    principal: Principal
    form: FormData = field(default_factory=lambda: FormData([]))

    @property
    def by(self) -> str:
        return self.principal.name

    @property
    def office(self) -> Office:
        return self.desk.office

    @property
    def base(self) -> str:
        """The path of the inbox."""
        return base_of(self.request)


def base_of(request: Request) -> str:
    """The path of the inbox, also where the desk is mounted in another application."""
    return f"{request.scope.get('root_path', '')}/inbox"


class PageRoute(APIRoute):
    """A page: needs a viewer, and a reviewer where a form is sent; takes forms of our own pages.

    What belongs to a graph that they may not know of is not there.
    """

    def role(self) -> Role:
        """The least role that it takes."""
        return Role.VIEWER if self.methods == {"GET"} else Role.REVIEWER

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Name the principal, then read the form, then have FastAPI do the rest."""
        handle = super().get_route_handler()
        role = self.role()

        async def answer(request: Request) -> Response:
            by = None
            try:
                desk: Desk = request.app.state.desk
                principal = await identify(request, page=True)
                by = principal.name
                require(principal, role)
                with acting(principal):
                    if principal.graphs is not None:
                        await check_path(desk.office, principal, request.path_params)
                    form = FormData([])
                    if request.method == "POST":
                        form = await form_data.read(request)
                        csrf.check(request, form.get(csrf.FIELD, ""))
                    request.scope[rendering.VISIT] = _Visit(request, desk, principal, form)
                    response = await handle(request)
                if (token := request.scope.get(NEW_SESSION)) is not None:
                    cookies.keep(request, response, SESSION, token)
                return response
            except Exception as error:
                return problem(request, error, by)

        return answer


async def _visit(request: Request) -> _Visit:
    visit: _Visit = request.scope[rendering.VISIT]
    return visit


Visit = Annotated[_Visit, Depends(_visit)]
"""Who looks, at which desk, and what they sent."""


def page(
    visited: Request,
    template: str,
    /,
    *,
    by: str | None,
    status: int = 200,
    **shown: Any,
) -> Response:
    """A page, or a part of one, as it goes out."""
    text = rendering.render(template, visited, base=base_of(visited), by=by, **shown)
    content = text.encode("utf-8", "replace")
    headers = {**PAGE, "vary": "accept-encoding"}
    if len(content) > 1000 and "gzip" in visited.headers.get("accept-encoding", ""):
        content = gzip.compress(content, 4)
        headers["content-encoding"] = "gzip"
    response = Response(content, status, headers, media_type="text/html; charset=utf-8")
    csrf.keep(visited, response)
    return response


def see(visit: _Visit, path: str) -> Response:
    """An answer that leads to another page of the inbox, after something was done."""
    response = Response(status_code=303, headers={**PAGE, "location": f"{visit.base}{path}"})
    csrf.keep(visit.request, response)
    return response


HEADINGS = {
    401: "Nobody is signed in",
    403: "You may not do this",
    404: "There is nothing here",
    408: "That took too long",
    409: "Not as things stand",
    413: "That is too large",
    422: "That cannot be used",
    429: "Too many attempts",
    500: "Something broke",
    502: "Others do not answer",
    503: "The database does not answer",
}


def problem(request: Request, error: Exception, by: str | None, *, bare: bool = False) -> Response:
    """The page that says what went wrong; a bug is logged and stays closed.

    A `bare` one is for somebody who is not in the inbox.
    """
    if (elsewhere := sent_elsewhere(error)) is not None:
        return elsewhere
    if isinstance(error, RequestValidationError):
        error = errors.InvalidInput("The address has a part that cannot be used.")
    told = known(error)
    status = status_of(told)
    message = told.message
    at, path = request.url, quote(request.url.path, safe=UNESCAPED)
    here = f"{path}?{at.query}" if at.query else path
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("a page failed", exception="".join(traceback.format_exception(error)))
        message = "The server has made a mistake. Its log has the details."
    response = page(
        request,
        "problem.html",
        by=by,
        status=status,
        heading=HEADINGS.get(status, HEADINGS[500]),
        message=message,
        code=told.code,
        status_code=status,
        again=1 if isinstance(told, errors.SignInTooOld) else None,
        layout="bare.html" if bare else "base.html",
        back=here if request.method == "GET" else base_of(request),
    )
    if by is None and ACTS_AS in request.cookies:
        # There is no such user any more: nobody is to be locked out by that.
        response.delete_cookie(ACTS_AS, path=request.scope.get("root_path") or "/")
    return response
