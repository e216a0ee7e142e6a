"""What happens to requests, as it happens: what an inbox keeps itself up to date with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Header

from signoff.api.route import Caller, Route, refusals
from signoff.api.sse import EventStream, frame
from signoff.service.follow import RequestEvent, check_event_id, follow_requests, newest_event

router = APIRouter(tags=["events"], route_class=Route)


@router.get("/events", response_class=EventStream, responses=refusals())
async def events(
    caller: Caller,
    last_event_id: Annotated[
        str | None, Header(description="The id of the last event one has: it goes on behind it.")
    ] = None,
) -> EventStream:
    """Server-sent events, for ever: each is named after the audit entry that it has as `data`.

    Such as `request.opened`, `request.voted`, `request.decided`, `request.delivered`. They come
    once their change is committed, in order and complete; without `Last-Event-ID` from now on.
    """
    if last_event_id is None:
        after = await newest_event(caller.office)
    else:
        after = check_event_id(last_event_id)
    pages = follow_requests(caller.office, after=after, graphs=caller.principal.graphs)
    return EventStream(_frames(pages))


async def _frames(pages: AsyncIterator[list[RequestEvent]]) -> AsyncIterator[list[bytes]]:
    async for page in pages:
        yield [frame(each.event, orjson.dumps(each.entry).decode(), each.id) for each in page]
