"""The API as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from signoff.answering import Desk
from signoff.api import (
    assistants,
    audit,
    deliveries,
    events,
    handling,
    health,
    preferences,
    problems,
    requests,
    runs,
    schemas,
    state,
    stats,
    streams,
    threadless,
    threads,
    unsupported,
)
from signoff.api.docs import add_docs
from signoff.api.edge import Edge
from signoff.api.metrics import serve_metrics
from signoff.api.sse import EventStream
from signoff.authentication import SESSION, Authenticate, nobody_else
from signoff.config import Settings
from signoff.domain.errors import SignoffError
from signoff.metrics import Metrics
from signoff.tracing.spans import OFF, Traces

DESCRIPTION = """
The human sign-off desk for LangGraph. Every pause of a graph is a *request*; a decision closes it,
and the graph goes on with exactly that answer, once.

Threads, runs and assistants have the shapes of LangGraph's own server: its SDK works unchanged.
All errors are problem documents (RFC 9457) with a stable `code`.
"""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    desk: Desk,
    *,
    settings: Settings,
    authenticate: Authenticate = nobody_else,
    lifespan: Lifespan | None = None,
    metrics: Metrics | None = None,
    traces: Traces = OFF,
) -> FastAPI:
    """The API of a desk, which is open by the time that requests come.

    Who calls without an API key and has not signed in, `authenticate` says: unless it is given,
    nobody does.
    """
    app = FastAPI(
        title="Signoff",
        version=version("signoff"),
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,  # bodies are checked before: see `signoff.api.body`
        lifespan=lifespan,
        exception_handlers={HTTPException: _answer, SignoffError: _answer},
    )
    app.state.desk = desk
    app.state.authenticate = authenticate
    supported = (
        *(requests, handling, audit, deliveries, preferences, events, stats),
        *(runs, threadless, streams, threads, state, assistants, health),
    )
    for module in (*supported, unsupported):
        app.include_router(module.router)
    add_docs(app)
    if metrics is not None and settings.metrics_port is None:
        serve_metrics(app, metrics)
    watches = [] if metrics is None else [metrics.call]
    app.add_middleware(Edge, settings=settings, watches=watches, traces=traces)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


async def _answer(request: Request, error: Exception) -> Response:
    response = problems.answer(error)
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["allow"] = ", ".join(_methods_at(request))
    return response


def _methods_at(request: Request) -> list[str]:
    """All that the path knows; the router tells of the first route there alone."""
    routes: list[BaseRoute] = request.app.routes
    return [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(
            each.matches({**request.scope, "method": method})[0] is Match.FULL for each in routes
        )
    ]


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description of all routes, with what FastAPI cannot know: problems, and who calls."""
    if app.openapi_schema is None:
        described = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        components = described["components"]
        problem = schemas.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        components["schemas"] |= problem.pop("$defs") | {"Problem": problem}
        components["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer"},
            "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "session": {"type": "apiKey", "in": "cookie", "name": SESSION},
        }
        for path, item in described["paths"].items():
            for operation in item.values():
                operation["security"] = [] if path in OPEN else SECURITY
                for answer in operation["responses"].values():
                    if STREAM in answer.get("content", {}):
                        answer["content"][STREAM] = {}  # FastAPI would have it that it is one text
        app.openapi_schema = described
    return app.openapi_schema


SECURITY: list[dict[str, list[str]]] = [{"key": []}, {"x-api-key": []}, {"session": []}]
"""How a caller may say who they are: in one of these ways."""

STREAM = EventStream.media_type

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths that need no principal."""
