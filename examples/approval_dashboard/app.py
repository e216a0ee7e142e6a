"""A dashboard that was there before Signoff: its own routes and shapes, with Signoff inside.

The desk runs in the process of the application, and is mounted beside its routes under `/signoff`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, HTTPException, Request, status
from fastapi.responses import JSONResponse
from graph import builder
from pydantic import BaseModel

from signoff import Principal, Signoff, SignoffError, errors

User = Annotated[str, Header(alias="X-User", min_length=1)]
"""Who calls; in the real application its session says so."""

STATUS = {
    errors.NotFound: status.HTTP_404_NOT_FOUND,
    errors.Forbidden: status.HTTP_403_FORBIDDEN,
    errors.Conflict: status.HTTP_409_CONFLICT,
    errors.InvalidInput: status.HTTP_422_UNPROCESSABLE_CONTENT,
}


def signed_in(request: Request) -> Principal | None:
    """The same for Signoff: a reviewer, who decides what the policies admit them to."""
    user = request.headers.get("X-User")
    return Principal(name=user) if user else None


class NewWorkflow(BaseModel):
    """The body of `POST /workflows`."""

    item: str
    amount: int


class Verdict(BaseModel):
    """The body of a decision, as this dashboard has always had it."""

    approved: bool
    comment: str | None = None


def create_app(desk: Signoff) -> FastAPI:
    """The dashboard on a desk, which is opened and closed with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with desk:
            yield

    app = FastAPI(title="Approvals", lifespan=lifespan)

    @app.exception_handler(SignoffError)
    async def refused(request: Request, error: Exception) -> JSONResponse:
        code = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
        return JSONResponse({"detail": str(error)}, code)

    @app.post("/workflows", status_code=status.HTTP_201_CREATED)
    async def start(order: NewWorkflow, user: User) -> dict[str, Any]:
        run = await desk.start("orders", order.model_dump(), by=user)
        await desk.wait(run.thread_id)
        return {"workflow_id": run.thread_id}

    @app.get("/approvals/pending")
    async def pending() -> list[dict[str, Any]]:
        page = await desk.requests(state="open", topic="order", sort="opened_at", limit=200)
        return [approval_json(request) for request in page.items]

    @app.get("/approvals/{approval_id}/status")
    async def approval_status(approval_id: str) -> dict[str, Any]:
        return approval_json(await desk.request(approval_id))

    @app.post("/approvals/{approval_id}/decide")
    async def decide(approval_id: str, verdict: Verdict, user: User) -> dict[str, Any]:
        action = "approve" if verdict.approved else "reject"
        decided = await desk.decide(approval_id, action, by=user, note=verdict.comment)
        return approval_json(decided)

    @app.post("/workflows/{workflow_id}/approve")
    async def approve(workflow_id: str, user: User) -> dict[str, Any]:
        await desk.thread(workflow_id)
        waiting = (await desk.requests(thread_id=workflow_id, state="open")).items
        if not waiting:
            raise HTTPException(status.HTTP_409_CONFLICT, "This workflow waits for nothing.")
        for request in waiting:
            await desk.decide(request.id, "approve", by=user, digest=request.digest)
        thread = await desk.wait(workflow_id)
        return {"workflow_id": workflow_id, "state": thread.values}

    app.mount("/signoff", desk.asgi_app(authenticate=signed_in))
    return app


def approval_json(request: Any) -> dict[str, Any]:
    """A request in the shape that the dashboard's pages know."""
    state: Literal["pending", "approved", "rejected", "withdrawn"] = "pending"
    if request.outcome is not None:
        state = "approved" if request.outcome.action == "approve" else "rejected"
    elif request.state != "open":
        state = "withdrawn"
    return {
        "id": request.id,
        "workflow_id": request.thread_id,
        "title": request.title,
        "details": request.payload["show"],
        "status": state,
        "decided_by": None if request.outcome is None else request.outcome.by,
        "comment": None if request.outcome is None else request.outcome.note,
        "due": request.deadline,
    }


def new_desk(database_url: str | None = None) -> Signoff:
    """The dashboard's desk; without an address, on an embedded database in `.signoff/`."""
    return Signoff(database_url, graphs={"orders": builder})
