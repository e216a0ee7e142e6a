"""Messages and how they fare: to people, to webhooks, and of runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from signoff.api import schemas
from signoff.api.route import Answer, Caller, Route, refusals
from signoff.render import delivery_json
from signoff.service import deliveries
from signoff.service.read import MAX_PAGE

router = APIRouter(tags=["deliveries"], route_class=Route)


@router.get("/deliveries", response_model=schemas.DeliveryPage, responses=refusals())
async def list_deliveries(
    caller: Caller,
    state: Annotated[
        list[str] | None, Query(description="One or several: repeated, or with commas between.")
    ] = None,
    request_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before, with the same filters.")
    ] = None,
) -> Answer:
    """Messages that wait, were sent or were given up, the newest first."""
    page = await deliveries.list_deliveries(
        caller.office,
        states=None if state is None else [each for some in state for each in some.split(",")],
        request_id=request_id,
        graphs=caller.principal.graphs,
        limit=limit,
        cursor=cursor,
    )
    items = [delivery_json(each) for each in page.items]
    return Answer({"items": items, "next_cursor": page.next_cursor})


@router.get("/deliveries/{delivery_id}", response_model=schemas.SentMessage, responses=refusals())
async def get_delivery(caller: Caller, delivery_id: str) -> Answer:
    """One message as it stands."""
    graphs = caller.principal.graphs
    found = await deliveries.get_delivery(caller.office, delivery_id, graphs=graphs)
    return Answer(delivery_json(found))


@router.post(
    "/deliveries/{delivery_id}/redelivery",
    status_code=202,
    response_model=schemas.SentMessage,
    responses=refusals(409),
)
async def redeliver(caller: Caller, delivery_id: str) -> Answer:
    """Have a message that was given up sent again, under the same id."""
    found = await deliveries.redeliver(
        caller.office, delivery_id, by=caller.by, graphs=caller.principal.graphs
    )
    return Answer(delivery_json(found), status_code=202)
