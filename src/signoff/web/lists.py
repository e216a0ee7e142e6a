"""The list: what waits, for whom, since when; and deciding several together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from signoff.answering import status_of
from signoff.db.request_lists import MOST, SORTS
from signoff.domain.admission import is_stale
from signoff.domain.decision import Ballot
from signoff.domain.errors import (
    Conflict,
    Forbidden,
    InvalidAnswer,
    InvalidInput,
    SignoffError,
)
from signoff.domain.policy import PRIORITIES
from signoff.domain.request import Request, RequestState
from signoff.service import amend, inbox
from signoff.service.decide_many import decide_many
from signoff.service.inbox import VIEWS, Search
from signoff.service.users import list_users
from signoff.web.headers import PAGE
from signoff.web.rendering import query
from signoff.web.route import PageRoute, Visit, page, see

router = APIRouter(route_class=PageRoute, include_in_schema=False)

TITLES = {
    "mine": "Mine",
    "groups": "My groups",
    "open": "All open",
    "overdue": "Overdue",
    "decided": "Decided",
}

ORDERS = {
    "-opened_at": "newest first",
    "opened_at": "oldest first",
    "deadline": "by deadline",
    "-priority": "by priority",
}
"""What open requests may be sorted by."""

CLOSED_ORDERS = {
    "-closed_at": "last closed first",
    "-opened_at": "newest first",
    "opened_at": "oldest first",
}

PAGE_SIZE = 50
"""The requests shown at once."""

TOGETHER = 200
"""The most requests decided with one confirmation."""


def search_of(parameters: Any) -> Search:
    """The list that a query string names, and what it is narrowed down to."""
    given: dict[str, Any] = {
        name: (parameters.get(name) or "").strip() or None for name in Search.__slots__
    }
    return Search(**{**given, "view": given["view"] or "open"})


def query_of(search: Search) -> dict[str, str]:
    """The query string that names a list, as short as it can be."""
    named = {name: getattr(search, name) for name in Search.__slots__}
    if search.sort == replace(search, sort=None).order:
        named["sort"] = None
    return {name: value for name, value in named.items() if value is not None}


@router.get("/inbox")
async def show_list(visit: Visit, cursor: str | None = None, part: str | None = None) -> Response:
    """A page of a list. Without a view it is one's own, if there is anything in it."""
    parameters = visit.request.query_params
    search = search_of(parameters)
    found = None
    if "view" not in parameters:
        found = await inbox.look(
            visit.office, replace(search, view="mine"), by=visit.by, limit=PAGE_SIZE
        )
        search = replace(search, view="mine" if found.lines else "open")
    if found is None or not found.lines:
        found = await inbox.look(visit.office, search, by=visit.by, cursor=cursor, limit=PAGE_SIZE)
    return page(
        visit.request,
        "rows.html" if part == "rows" else "list.html",
        by=visit.by,
        found=found,
        search=search,
        listed=query_of(search),
        views=[(view, TITLES[view]) for view in VIEWS],
        orders=CLOSED_ORDERS if search.view == "decided" else ORDERS,
        priorities=reversed(PRIORITIES),
        most=MOST,
        cursor=cursor,
        following=query_of(search) | {"cursor": found.next_cursor},
    )


@router.get("/inbox/new")
async def count_new(visit: Visit, since: Annotated[datetime, Query()]) -> Response:
    """How many requests a list has that were opened since it was shown."""
    search = search_of(visit.request.query_params)
    if since.tzinfo is None:
        raise InvalidInput.of("since", "is a moment with its offset")
    count = await inbox.count_since(visit.office, search, since, by=visit.by)
    said = str(count) if count <= MOST else f"{MOST}+"
    return Response(said, headers=PAGE, media_type="text/plain")


@router.post("/inbox/rows/{request_id}/{verb}")
async def claim_in_list(
    visit: Visit, request_id: str, verb: Literal["claim", "release"]
) -> Response:
    """Claim a request, or release it, without leaving the list: its row as it is then."""
    act = amend.claim if verb == "claim" else amend.release
    refusal, status = None, 200
    try:
        await act(visit.office, request_id, by=visit.by)
    except (Conflict, Forbidden) as error:
        refusal, status = error.message, status_of(error)
    lines = await inbox.lines_of(visit.office, [request_id])
    return page(
        visit.request,
        "rows.html",
        by=visit.by,
        status=status,
        found={"lines": lines, "next_cursor": None},
        listed=query_of(search_of(visit.request.query_params)),
        said=refusal,
    )


@router.post("/inbox/together")
async def confirm_together(visit: Visit) -> Response:
    """What is about to be decided together, to be confirmed once."""
    requests = await _chosen(visit)
    return _confirmation(visit, requests)


@router.post("/inbox/together/decisions")
async def decide_together(visit: Visit) -> Response:
    """Decide several: each by itself, so that one's refusal touches no other."""
    requests = await _chosen(visit)
    actions = _common(requests)
    action = visit.form.get("action", "")
    note = visit.form.get("/note", "").strip() or None
    if action not in {each["name"] for each in actions}:
        return _confirmation(visit, requests, "Choose what is to be done.")
    if any(each["name"] == action and each["note"] == "required" for each in actions) and not note:
        return _confirmation(visit, requests, "A note is required for this.")
    now = visit.office.now()
    if any(is_stale(visit.principal, each.policy, now) for each in requests):
        return _confirmation(visit, requests, SIGN_IN_AGAIN, again=True)
    ballots = [
        (each.id, Ballot(action=action, note=note, digest=visit.form.get(f"digest:{each.id}")))
        for each in requests
    ]
    decided = await decide_many(visit.office, ballots, visit.principal)
    results = [
        (request, _said(result)) if isinstance(result, SignoffError) else (result, None)
        for request, result in zip(requests, decided, strict=True)
    ]
    return page(
        visit.request,
        "together_done.html",
        by=visit.by,
        results=results,
        action=action,
        listed=query_of(search_of(visit.request.query_params)),
        status=200 if all(error is None for _, error in results) else 409,
    )


def _said(error: SignoffError) -> str:
    if isinstance(error, InvalidAnswer) and error.errors:
        return "; ".join(f"{each.pointer.lstrip('/')} {each.message}" for each in error.errors)
    return error.message


async def _chosen(visit: Visit) -> list[Request]:
    ids = visit.form.getlist("id")
    if len(ids) > TOGETHER:
        raise InvalidInput(f"No more than {TOGETHER} requests are decided together.")
    return await inbox.several(visit.office, ids)


SIGN_IN_AGAIN = (
    "This takes a fresh sign-in, and nothing was changed yet. Sign in again, which opens another "
    "page: what you have typed stays here. Then come back and send it once more."
)


def _confirmation(
    visit: Visit, requests: list[Request], problem: str | None = None, *, again: bool = False
) -> Response:
    search = search_of(visit.request.query_params)
    if not requests:
        return see(visit, query(**query_of(search)))
    waiting = [each for each in requests if each.state is RequestState.OPEN]
    return page(
        visit.request,
        "together.html",
        by=visit.by,
        status=401 if again else 422 if problem else 200,
        requests=waiting,
        closed=[each for each in requests if each.state is not RequestState.OPEN],
        actions=_common(waiting),
        problem=problem,
        again=f"{visit.base}/sign-in{query(again=1, next=visit.base)}" if again else None,
        note=visit.form.get("/note", ""),
        listed=query_of(search),
    )


def _common(requests: list[Request]) -> list[dict[str, Any]]:
    """The actions that all of these requests have, and that ask for nothing but a note."""
    if not requests:
        return []
    names = set.intersection(
        *({a["name"] for a in each.actions if a["schema"] is None} for each in requests)
    )
    strictest = {"required": 2, "optional": 1, "none": 0}
    found = []
    for action in requests[0].actions:
        if action["name"] in names:
            rules = [a["note"] for r in requests for a in r.actions if a["name"] == action["name"]]
            found.append({**action, "note": max(rules, key=lambda rule: strictest[rule])})
    return found


async def names_of_users(visit: Visit) -> list[str]:
    """All users and groups that a request may be handed on to."""
    users = await list_users(visit.office)
    groups = sorted({group for user in users for group in user.groups})
    return [*(f"group:{group}" for group in groups), *(user.name for user in users)]


assert set(ORDERS) | set(CLOSED_ORDERS) <= set(SORTS)
