"""Requests: list, show, decide, retry; their audit entries and the state they were asked in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from signoff.api import engine_schemas, problems, schemas
from signoff.api.route import WITH_BODY, Answer, Caller, Route, refusals
from signoff.db.request_lists import SORTS
from signoff.domain.decision import Ballot
from signoff.domain.errors import SignoffError
from signoff.render import request_json
from signoff.service import decide as deciding
from signoff.service import decide_many as deciding_many
from signoff.service import read
from signoff.service import retry as retrying
from signoff.service.state import state_at_pause

router = APIRouter(tags=["requests"], route_class=Route)

MAX_PAGE = read.MAX_PAGE


class Decision(BaseModel):
    """What a reviewer decides."""

    model_config = ConfigDict(extra="forbid")

    action: str = Field(description="The name of one of the request's actions.")
    values: dict[str, Any] | None = Field(
        default=None, description="What the action asks for, by its schema."
    )
    note: str | None = None
    digest: str | None = Field(
        default=None,
        description="The digest of what the reviewer saw: refused if it shows something else now.",
    )

    def ballot(self) -> Ballot:
        """It as the desk takes it."""
        return Ballot(
            action=self.action, values=self.values or {}, note=self.note, digest=self.digest
        )


class OneOfMany(Decision):
    """What a reviewer decides on one of several requests."""

    request_id: str


class Many(BaseModel):
    """Several decisions."""

    model_config = ConfigDict(extra="forbid")

    decisions: list[OneOfMany] = Field(min_length=1, max_length=MAX_PAGE)


class Retry(BaseModel):
    """How to go on after a failed delivery."""

    model_config = ConfigDict(extra="forbid")

    reask: bool = Field(
        default=False, description="Never use the answer, and ask the question anew."
    )


@router.get("/requests", response_model=schemas.RequestPage, responses=refusals())
async def list_requests(
    caller: Caller,
    state: Annotated[
        list[str] | None, Query(description="One or several: repeated, or with commas between.")
    ] = None,
    graph: str | None = None,
    node: str | None = None,
    kind: str | None = None,
    topic: str | None = None,
    thread_id: str | None = None,
    assignee: Annotated[
        str | None,
        Query(description="Whom it is for by name, or who has claimed it; `me` is the caller."),
    ] = None,
    overdue: Annotated[
        bool | None, Query(description="Only the open ones past their deadline.")
    ] = None,
    priority: schemas.Priority | None = None,
    q: Annotated[str | None, Query(description="A text in the title or the thread's id.")] = None,
    sort: Annotated[str, Query(json_schema_extra={"enum": list(SORTS)})] = "-opened_at",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before, with the same filters.")
    ] = None,
) -> Answer:
    """The requests that all filters let through, the newest first unless sorted."""
    page = await read.list_requests(
        caller.office,
        state=None if state is None else [each for some in state for each in some.split(",")],
        graph=graph,
        node=node,
        kind=kind,
        topic=topic,
        thread_id=thread_id,
        assignee=caller.by if assignee == "me" else assignee,
        overdue=overdue,
        priority=priority,
        q=q,
        sort=sort,
        limit=limit,
        cursor=cursor,
        graphs=caller.principal.graphs,
    )
    return Answer(
        {
            "items": [request_json(request) for request in page.items],
            "next_cursor": page.next_cursor,
            "total": page.total,
            "total_exact": page.total_exact,
        }
    )


@router.get("/requests/{request_id}", response_model=schemas.Request, responses=refusals())
async def get_request(caller: Caller, request_id: str) -> Answer:
    """One request as it stands."""
    return Answer(request_json(await read.get_request(caller.office, request_id)))


@router.post(
    "/requests/{request_id}/decisions",
    status_code=201,
    response_model=schemas.Request,
    responses=refusals(403, 409, *WITH_BODY),
)
async def decide(
    caller: Caller,
    request_id: str,
    decision: Decision,
    idempotency_key: Annotated[
        str | None, Header(description="The same key with the same decision is decided once.")
    ] = None,
) -> Answer:
    """Decide. The first decision that closes the request wins; to repeat one's own is harmless."""
    request = await deciding.decide(
        caller.office,
        request_id,
        decision.ballot(),
        by=caller.by,
        idempotency_key=idempotency_key,
    )
    return Answer(request_json(request), status_code=201)


@router.post("/requests/decisions", response_model=schemas.Results, responses=refusals(*WITH_BODY))
async def decide_many(caller: Caller, many: Many) -> Answer:
    """Decide several requests, each by itself: a result each, in the same order.

    What one is refused for touches no other; to send all of it again is harmless.
    """
    decisions = [(each.request_id, each.ballot()) for each in many.decisions]
    results = await deciding_many.decide_many(caller.office, decisions, caller.principal)
    return Answer(
        {
            "results": [
                _result(request_id, result)
                for (request_id, _), result in zip(decisions, results, strict=True)
            ]
        }
    )


def _result(request_id: str, result: deciding_many.Result) -> dict[str, Any]:
    if isinstance(result, SignoffError):
        problem = problems.document(result)
        return {"request_id": request_id, "status": problem["status"], "problem": problem}
    return {"request_id": request_id, "status": 201, "request": request_json(result)}


@router.post(
    "/requests/{request_id}/retry",
    response_model=schemas.Request,
    responses=refusals(409, *WITH_BODY),
)
async def retry(caller: Caller, request_id: str, how: Retry) -> Answer:
    """Deliver an outcome again whose delivery has failed; or never use it, and ask anew."""
    request = await retrying.retry(caller.office, request_id, by=caller.by, reask=how.reask)
    return Answer(request_json(request))


@router.get(
    "/requests/{request_id}/state", response_model=engine_schemas.State, responses=refusals()
)
async def get_state(caller: Caller, request_id: str) -> Answer:
    """The exact state in which the graph asked."""
    return Answer(await state_at_pause(caller.office, request_id))


@router.get(
    "/requests/{request_id}/audit",
    tags=["audit"],
    response_model=schemas.AuditPage,
    responses=refusals(),
)
async def get_audit(caller: Caller, request_id: str) -> Answer:
    """What has happened to a request, in order."""
    entries = await read.audit_entries(caller.office, request_id=request_id)
    return Answer({"items": entries, "next_cursor": None})
