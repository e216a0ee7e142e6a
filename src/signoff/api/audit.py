"""The audit: what has happened, and who did it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from signoff.api import schemas
from signoff.api.route import Answer, Caller, Route, refusals
from signoff.service.list_audit import Wanted
from signoff.service.list_audit import list_audit as entries
from signoff.service.read import MAX_PAGE

router = APIRouter(tags=["audit"], route_class=Route)


@router.get("/audit", response_model=schemas.AuditPage, responses=refusals())
async def list_audit(
    caller: Caller,
    thread_id: Annotated[
        str | None, Query(description="What happened on this thread, also after it was deleted.")
    ] = None,
    request_id: Annotated[str | None, Query(description="What happened to this request.")] = None,
    event: Annotated[
        list[str] | None, Query(description="One or several: repeated, or with commas between.")
    ] = None,
    by: Annotated[str | None, Query(description="Who did it.")] = None,
    since: Annotated[
        AwareDatetime | None, Query(description="What happened then or later.")
    ] = None,
    sort: Annotated[Literal["at", "-at"], Query(description="`-at`: the newest first.")] = "at",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = MAX_PAGE,
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before, with the same filters.")
    ] = None,
) -> Answer:
    """What has happened, in order; of all that the caller may know of, unless it is narrowed.

    A page with a `next_cursor` may have fewer entries than `limit`.
    """
    page = await entries(
        caller.office,
        caller.principal,
        Wanted(
            thread_id=thread_id,
            request_id=request_id,
            events=None if event is None else [each for some in event for each in some.split(",")],
            by=by,
            since=since,
        ),
        limit=limit,
        cursor=cursor,
        newest_first=sort == "-at",
    )
    return Answer({"items": page.items, "next_cursor": page.next_cursor})
