"""The page of messages, for operators: what could not be told, and why."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from signoff.domain.principal import Role
from signoff.render import shown_address
from signoff.service.deliveries import (
    count_deliveries,
    list_deliveries,
    redeliver,
    redeliver_all,
)
from signoff.web.rendering import query
from signoff.web.route import PageRoute, Visit, page, see

STATES = {"dead": "Given up", "waiting": "Waiting", "sending": "On its way", "sent": "Sent"}
"""What the page can be narrowed down to."""

WORDS = {**STATES, "gathered": "In a digest", "dropped": "Not needed any more"}


class _OperatorsPage(PageRoute):
    """A page for those who see to it that things go on."""

    def role(self) -> Role:
        return Role.OPERATOR


router = APIRouter(route_class=_OperatorsPage, include_in_schema=False)


@router.get("/inbox/deliveries")
async def show_deliveries(
    visit: Visit, state: str | None = None, cursor: str | None = None
) -> Response:
    """Messages, the newest first; those of one state, if one is named."""
    graphs = visit.principal.graphs
    found = await list_deliveries(
        visit.office, states=[state] if state else None, graphs=graphs, cursor=cursor
    )
    older = query(state=state, cursor=found.next_cursor) if found.next_cursor else None
    return page(
        visit.request,
        "deliveries.html",
        by=visit.by,
        deliveries=found.items,
        counts=await count_deliveries(visit.office, graphs=graphs),
        state_shown=state or "",
        tabs=STATES,
        words=WORDS,
        shown_address=shown_address,
        newest=query(state=state) if cursor else None,
        older=older,
    )


@router.post("/inbox/deliveries/redelivery")
async def redeliver_every(visit: Visit) -> Response:
    """Have all that was given up sent again."""
    await redeliver_all(visit.office, by=visit.by, graphs=visit.principal.graphs)
    return see(visit, "/deliveries")


@router.post("/inbox/deliveries/{delivery_id}/redelivery")
async def redeliver_one(visit: Visit, delivery_id: str) -> Response:
    """Have a message that was given up sent again."""
    await redeliver(visit.office, delivery_id, by=visit.by, graphs=visit.principal.graphs)
    return see(visit, "/deliveries")
