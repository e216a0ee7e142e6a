"""`GET /metrics`, for Prometheus; by itself too, where there is no other server, or on a port of
its own."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from signoff.answering import Desk
from signoff.api import health
from signoff.api.problems import answer
from signoff.domain.errors import ConfigError, DatabaseNotReady
from signoff.metrics import Metrics

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def get_metrics(request: Request) -> Response:
    """All figures of this process, and of the desk."""
    metrics: Metrics = request.app.state.metrics
    try:
        text = await metrics.text()
    except ConfigError:
        return answer(DatabaseNotReady("The desk is not open."))
    return Response(text, headers={"content-type": metrics.media_type})


def serve_metrics(app: FastAPI, metrics: Metrics) -> None:
    """Have an application answer with these."""
    app.state.metrics = metrics
    app.include_router(router)


def create_app(desk: Desk, metrics: Metrics) -> FastAPI:
    """An application with the figures of a process, and whether it is well, and nothing else."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = desk
    app.include_router(health.router)
    serve_metrics(app, metrics)
    return app
