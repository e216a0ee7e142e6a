"""What people do with a request short of deciding it: claim, hand on, comment, take back."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from signoff.api import schemas
from signoff.api.route import WITH_BODY, Answer, Caller, Route, refusals
from signoff.domain.request import MAX_COMMENT
from signoff.render import request_json
from signoff.service import amend

router = APIRouter(tags=["requests"], route_class=Route)


class Delegation(BaseModel):
    """Whom to hand a request on to."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(description="A user, or a group as `group:name`.")


class Comment(BaseModel):
    """What to say on a request."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description=f"1 to {MAX_COMMENT:,} characters.")


class Withdrawal(BaseModel):
    """How to take a request back."""

    model_config = ConfigDict(extra="forbid")

    note: str | None = Field(default=None, description="Why, for the audit.")


@router.put(
    "/requests/{request_id}/claim",
    response_model=schemas.Request,
    responses=refusals(403, 409),
)
async def claim(caller: Caller, request_id: str) -> Answer:
    """Show that one works on a request. All others may still decide it."""
    return Answer(request_json(await amend.claim(caller.office, request_id, by=caller.by)))


@router.delete(
    "/requests/{request_id}/claim", response_model=schemas.Request, responses=refusals(409)
)
async def release(caller: Caller, request_id: str) -> Answer:
    """Give up one's claim."""
    return Answer(request_json(await amend.release(caller.office, request_id, by=caller.by)))


@router.post(
    "/requests/{request_id}/delegations",
    status_code=201,
    response_model=schemas.Request,
    responses=refusals(403, 409, *WITH_BODY),
)
async def delegate(caller: Caller, request_id: str, delegation: Delegation) -> Answer:
    """Hand a request on to a user or a group, who may then decide it with the same right."""
    request = await amend.delegate(caller.office, request_id, delegation.to, by=caller.by)
    return Answer(request_json(request), status_code=201)


@router.post(
    "/requests/{request_id}/comments",
    status_code=201,
    response_model=schemas.Request,
    responses=refusals(409, *WITH_BODY),
)
async def comment(caller: Caller, request_id: str, comment: Comment) -> Answer:
    """Say something on a request."""
    request = await amend.comment(caller.office, request_id, comment.text, by=caller.by)
    return Answer(request_json(request), status_code=201)


@router.post(
    "/requests/{request_id}/withdrawal",
    response_model=schemas.Request,
    responses=refusals(403, 409, *WITH_BODY),
)
async def withdraw(caller: Caller, request_id: str, withdrawal: Withdrawal) -> Answer:
    """Take a request back, without an outcome; its thread stays where it is."""
    request = await amend.withdraw(caller.office, request_id, by=caller.by, note=withdrawal.note)
    return Answer(request_json(request))


@router.delete(
    "/requests/{request_id}/decisions", response_model=schemas.Request, responses=refusals(409)
)
async def take_back(caller: Caller, request_id: str) -> Answer:
    """Take one's own vote back, while the request is open."""
    return Answer(request_json(await amend.take_back(caller.office, request_id, by=caller.by)))
