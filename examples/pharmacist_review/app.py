"""The pharmacy's own application: `/orders/...` in its own words, Signoff in the same process.

The desk is opened and closed with the application, and its API is mounted under `/signoff`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, HTTPException, Request, status
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

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


class NewOrder(BaseModel):
    """The body of `POST /orders/start`."""

    patient: str = Field(min_length=1)
    prescription: str = Field(examples=["Ibuprofen 600 mg every 8 h"])
    takes: list[str] = []
    allergies: list[str] = []
    egfr: int = Field(default=90, ge=0)


class Review(BaseModel):
    """The body of `POST /orders/review`: of the version that the pharmacist has seen."""

    order_id: str
    version: int
    decision: Literal["approve", "revise", "reject"]
    dose_mg: int | None = None
    every_hours: int | None = None
    note: str | None = None


def create_app(desk: Signoff) -> FastAPI:
    """The application on a desk."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with desk:
            yield

    app = FastAPI(title="Pharmacy", lifespan=lifespan)

    @app.exception_handler(SignoffError)
    async def refused(request: Request, error: Exception) -> JSONResponse:
        code = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
        return JSONResponse({"detail": str(error)}, code)

    @app.post("/orders/start", status_code=status.HTTP_201_CREATED)
    async def start(order: NewOrder, user: User) -> dict[str, Any]:
        run = await desk.start("pharmacist_review", order.model_dump(), by=user)
        return await rested(desk, run.thread_id)

    @app.post("/orders/review")
    async def review(said: Review, user: User) -> dict[str, Any]:
        await desk.thread(said.order_id)
        waiting = (await desk.requests(thread_id=said.order_id, state="open")).items
        request = next((each for each in waiting if version_of(each) == said.version), None)
        if request is None:
            raise HTTPException(status.HTTP_409_CONFLICT, "This version is not up for review.")
        entry = {"event": said.decision, "by": user, "at": datetime.now(UTC).isoformat()}
        if said.note:
            entry["note"] = said.note
        values = said.model_dump(include={"decision", "dose_mg", "every_hours"}, exclude_none=True)
        await desk.decide(
            request.id,
            "continue",
            values={**values, "log": [entry]},
            note=said.note,
            digest=request.digest,
            by=user,
        )
        return await rested(desk, said.order_id)

    @app.get("/orders/{order_id}")
    async def order(order_id: str) -> dict[str, Any]:
        return order_json(await desk.thread(order_id))

    app.mount("/signoff", desk.asgi_app(authenticate=signed_in))
    return app


async def rested(desk: Signoff, order_id: str) -> dict[str, Any]:
    """An order, once it waits for somebody or is done."""
    return order_json(await desk.wait(order_id))


def version_of(request: Any) -> int:
    """The version that a request shows."""
    version: int = request.payload["values"]["version"]
    return version


def order_json(thread: Any) -> dict[str, Any]:
    """An order in the shape that the pharmacy's pages know."""
    shown = ("drug", "dose_mg", "every_hours", "version", "flags", "status", "log")
    state = thread.values or {}
    return {
        "order_id": thread.id,
        **{name: state.get(name) for name in shown},
        "error": thread.error,
    }


def new_desk(database_url: str | None = None) -> Signoff:
    """The pharmacy's desk; without an address, on an embedded database in `.signoff/`."""
    return Signoff(database_url, config=Path(__file__).parent / "signoff.toml")
