"""What every route has in common: its caller, its checked body, its answer, its refusals."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import orjson
from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from signoff.api import body, problems
from signoff.api.problems import RouteNotFound
from signoff.db.notices import Notices
from signoff.service.office import Office


class Desk(Protocol):
    """What the API needs of a desk."""

    @property
    def office(self) -> Office:
        """Its parts, for services."""

    @property
    def notices(self) -> Notices:
        """What it is told by the database."""


@dataclass(frozen=True, slots=True)
class _Caller:
    desk: Desk
    by: str

    @property
    def office(self) -> Office:
        return self.desk.office


class Route(APIRoute):
    """A route that needs a principal. Whatever is raised in it becomes a problem document."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Name the principal, then check the body, then have FastAPI do the rest."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                # No id has a slash in it, and a decoded one must not become part of the path.
                if b"%2f" in request.scope.get("raw_path", b"").lower():
                    raise RouteNotFound("There is no such path.")
                state = request.app.state
                by = state.principal(request)
                if inspect.isawaitable(by):
                    by = await by
                request.scope[_KEY] = _Caller(state.desk, by)
                if request.method in ("POST", "PATCH", "PUT"):
                    request = await body.checked(request)
                return await handle(request)
            except Exception as error:
                return problems.answer(error)
            except asyncio.CancelledError:
                # Nobody else cancels a call, so that there is somebody to answer.
                return problems.answer(problems.ServerStopping())

        return answer


_KEY = "signoff.caller"


async def _caller(request: Request) -> _Caller:
    caller: _Caller = request.scope[_KEY]
    return caller


Caller = Annotated[_Caller, Depends(_caller)]
"""Who calls, and the desk that is called: `caller.by`, `caller.office`, `caller.desk`."""


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
        for status in sorted({401, 403, 404, 422, 500, 503, *statuses})
    }


PROBLEM = {"$ref": "#/components/schemas/Problem"}

WITH_BODY = (400, 413, 415)
"""What a route with a body may answer besides."""

_MEANING: Mapping[int, str] = {
    400: "The body is no JSON",
    401: "Nobody is named as the caller",
    403: "The caller may not",
    404: "It does not exist",
    409: "Not as things stand",
    413: "The body is too large",
    415: "The body is not declared to be JSON",
    422: "The request is not well formed; `errors` says where",
    500: "A bug",
    503: "The database does not answer",
}
