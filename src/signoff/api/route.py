"""What every route has in common: its caller, its checked body, its answer, its refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import orjson
from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from signoff.acting import acting
from signoff.answering import Desk, RouteNotFound, ServerStopping
from signoff.api import access, body, problems
from signoff.api.sse import EventStream
from signoff.authentication import Reader, identify, require
from signoff.domain.errors import FieldError, InvalidInput
from signoff.domain.jsontext import pointer
from signoff.domain.principal import Principal, Role
from signoff.service import sight
from signoff.service.office import Office


@dataclass(frozen=True, slots=True)
class _Caller:
    desk: Desk
    principal: Principal

    @property
    def by(self) -> str:
        return self.principal.name

    @property
    def office(self) -> Office:
        return self.desk.office


class Route(APIRoute):
    """A route that needs a principal, of the role that `signoff.api.access` says.

    What belongs to a graph that the principal may not know of is not there. Whatever is raised
    becomes a problem document.
    """

    def role(self) -> Role:
        """The least role that it takes."""
        return access.role_of(self.methods, self.path)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Find out who calls and whether they may; check the body; have FastAPI do the rest."""
        handle = super().get_route_handler()
        role = self.role()
        query = self.dependant.query_params
        lists = {each.alias for each in query if _is_list(each.field_info.annotation)}

        async def answer(request: Request) -> Response:
            try:
                # No id has a slash in it, and a decoded one must not become part of the path.
                if b"%2f" in request.scope.get("raw_path", b"").lower():
                    raise RouteNotFound("There is no such path.")
                desk: Desk = request.app.state.desk
                principal = await identify(request)
                require(principal, role)
                with acting(principal):
                    if principal.graphs is not None:
                        await sight.check_path(desk.office, principal, request.path_params)
                    request.scope[_KEY] = _Caller(desk, principal)
                    _check_once(request, lists)
                    if request.method in ("POST", "PATCH", "PUT"):
                        request = await body.checked(request)
                    response = await handle(request)
                if isinstance(response, EventStream):
                    response.check_reader = Reader(request, principal).check
                return response
            except Exception as error:
                return problems.answer(error)
            except asyncio.CancelledError:
                # Nobody else cancels a call, so that there is somebody to answer.
                return problems.answer(ServerStopping())

        return answer


def _is_list(annotation: Any) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


def _check_once(request: Request, lists: Collection[str]) -> None:
    """Return if no query parameter but these is repeated: all but the last would be passed over.

    Raises:
        InvalidInput: One is.
    """
    given = [name for name, _ in request.query_params.multi_items() if name not in lists]
    if len(given) == len(set(given)):
        return
    repeated = sorted({name for name in given if given.count(name) > 1})
    raise InvalidInput(
        f"The request is not well formed: {', '.join(repeated)} can be given once.",
        [FieldError(pointer(name), "can be given once") for name in repeated],
    )


_KEY = "signoff.caller"


async def _caller(request: Request) -> _Caller:
    caller: _Caller = request.scope[_KEY]
    return caller


Caller = Annotated[_Caller, Depends(_caller)]
"""Who calls, and the desk that is called: `caller.by` and `caller.principal`; `caller.office` and
`caller.desk`."""


class Answer(Response):
    """JSON that is known to be right: it is written as it is."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes."""
        return orjson.dumps(content)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route may answer with, for OpenAPI."""
    return {
        status: {
            "description": _MEANING[status],
            "content": {problems.MEDIA_TYPE: {"schema": PROBLEM}},
        }
        for status in sorted({401, 403, 404, 422, 429, 500, 503, *statuses})
    }


PROBLEM = {"$ref": "#/components/schemas/Problem"}

WITH_BODY = (400, 408, 413, 415)
"""What a route with a body may answer besides."""

_MEANING: Mapping[int, str] = {
    400: "The body is no JSON",
    401: "Nobody is named as the caller",
    403: "The caller may not",
    404: "It does not exist, or the caller may not know that it does",
    408: "The body did not arrive in time",
    409: "Not as things stand",
    413: "The body is too large",
    415: "The body is not declared to be JSON",
    422: "The request is not well formed; `errors` says where",
    429: "Too many calls in a short time; `Retry-After` says when to go on",
    500: "A bug",
    503: "The database does not answer",
}
