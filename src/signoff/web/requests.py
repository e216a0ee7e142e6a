"""One request: what is asked, by whom, until when; and the forms to decide it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from signoff.answering import status_of
from signoff.authentication import require
from signoff.domain.admission import Reviewer, check_sign_in, is_stale
from signoff.domain.decision import Ballot
from signoff.domain.errors import (
    Conflict,
    FieldError,
    Forbidden,
    InvalidInput,
    RequestClosed,
    SignInTooOld,
    SignoffError,
    StaleDigest,
    TooLarge,
)
from signoff.domain.principal import Principal, Role
from signoff.domain.request import Delivery, Request, RequestState
from signoff.domain.tally import tally
from signoff.domain.thread import Thread, ThreadStatus
from signoff.service import amend, inbox, read
from signoff.service.decide import decide
from signoff.service.inbox import Search
from signoff.service.retry import retry
from signoff.service.state import state_at_pause
from signoff.web import content, diff, words
from signoff.web.deciding import Typed, choices_of, closed_by, prefix_of, shown_of
from signoff.web.forms.action import ActionForm
from signoff.web.forms.typed import Unreadable
from signoff.web.headers import SECURITY
from signoff.web.lists import SIGN_IN_AGAIN, names_of_users, query_of, search_of
from signoff.web.rendering import query
from signoff.web.route import PageRoute, Visit, page, see

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """What is to be said on top of a page: that something was done, or why it was not."""

    kind: str
    text: str
    again: str | None = None
    """Where one signs in again, so that it is done after all."""


@router.get("/inbox/requests/{request_id}")
async def show_request(visit: Visit, request_id: str, part: str | None = None) -> Response:
    """The page of a request; or a part of it, which a page that is open looks at again."""
    request = await read.get_request(visit.office, request_id)
    if part in ("live", "next"):
        seen = visit.request.query_params
        return page(
            visit.request,
            f"{part}.html",
            by=visit.by,
            request=request,
            changed=seen.get("digest", request.digest) != request.digest,
            newer=seen.get("version", str(request.version)) != str(request.version),
            **await _what_next(visit, request),
        )
    if part == "state":
        state = await state_at_pause(visit.office, request_id)
        shown = await asyncio.to_thread(content.shown, state["values"])
        return page(visit.request, "state.html", by=visit.by, node=shown)
    return await _page(visit, request)


@router.get("/inbox/requests/{request_id}/payload")
async def get_payload(visit: Visit, request_id: str) -> Response:
    """All that the graph shows, as it is: a text that nothing in it can get out of."""
    request = await read.get_request(visit.office, request_id)
    return Response(
        words.pretty(request.payload).encode("utf-8", "replace"),
        headers={**SECURITY, "cache-control": "private, no-store"},
        media_type="text/plain; charset=utf-8",
    )


@router.post("/inbox/requests/{request_id}/decisions/{action}")
async def send_decision(visit: Visit, request_id: str, action: str) -> Response:
    """Decide; or show what one is about to change, or the form with what is wrong in it."""
    request = await read.get_request(visit.office, request_id)
    form = visit.form
    offered = next((each for each in request.actions if each["name"] == action), None)
    if offered is None:
        return await _refused(visit, request, StaleDigest("This is no action of it any more."))
    as_json = form.get("as") == "json"
    sent = ActionForm(offered, prefix=prefix_of(request, action), data=form, as_json=as_json)
    note = form.get("/note", "")
    try:
        values = sent.values()
    except Unreadable as error:
        return await _again(
            visit, request, Typed(action=action, form=sent, note=note, errors=[error.error])
        )
    if "preview" in form:
        return await _previewed(visit, request, sent, values, note)
    ballot = Ballot(
        action=action, values=values, note=note.strip() or None, digest=form.get("digest")
    )
    try:
        after = await decide(visit.office, request_id, ballot, by=visit.by)
    except (InvalidInput, TooLarge) as error:
        errors = error.errors if isinstance(error, InvalidInput) else ()
        typed = Typed(
            action=action,
            form=sent,
            note=note,
            errors=errors or [FieldError("", error.message)],
        )
        return await _again(visit, await read.get_request(visit.office, request_id), typed)
    except (Conflict, Forbidden, SignInTooOld) as error:
        now = await read.get_request(visit.office, request_id)
        return await _refused(visit, now, error, Typed(action=action, form=sent, note=note))
    done = "decided" if after.outcome is not None else "voted"
    return _back(visit, request_id, done=done)


@router.post("/inbox/requests/{request_id}/{verb}")
async def handle(visit: Visit, request_id: str, verb: str) -> Response:
    """Claim, release, hand on, comment, take back, withdraw, deliver again, ask anew."""
    office, by, form = visit.office, visit.by, visit.form
    try:
        match verb:
            case "claim":
                await amend.claim(office, request_id, by=by)
            case "release":
                await amend.release(office, request_id, by=by)
            case "delegate":
                await amend.delegate(office, request_id, form.get("to", "").strip(), by=by)
            case "comment":
                await amend.comment(office, request_id, form.get("text", ""), by=by)
            case "take-back":
                await amend.take_back(office, request_id, by=by)
            case "withdraw":
                note = form.get("note", "").strip() or None
                await amend.withdraw(office, request_id, by=by, note=note)
            case "retry" | "reask":
                require(visit.principal, Role.OPERATOR)
                await retry(office, request_id, by=by, reask=verb == "reask")
            case _:
                return await _missing(visit, request_id)
    except (Conflict, Forbidden, InvalidInput, SignInTooOld) as error:
        request = await read.get_request(office, request_id)
        return await _refused(visit, request, error, handled=verb)
    return _back(visit, request_id, done=verb)


async def _missing(visit: Visit, request_id: str) -> Response:
    request = await read.get_request(visit.office, request_id)
    return await _refused(visit, request, InvalidInput("There is nothing of that name to do."))


def _back(visit: Visit, request_id: str, *, done: str) -> Response:
    """To the page of the request, which says what was done."""
    listed = query_of(_listed(visit))
    return see(visit, f"/requests/{request_id}{query(**listed, done=done)}")


async def _again(visit: Visit, request: Request, typed: Typed) -> Response:
    return await _page(visit, request, typed=typed, status=422)


async def _previewed(
    visit: Visit, request: Request, sent: ActionForm, values: dict[str, Any], note: str
) -> Response:
    changes = await asyncio.to_thread(diff.changes, sent.example(), values)
    if "hx-request" in visit.request.headers:
        return page(visit.request, "preview.html", by=visit.by, changes=changes)
    typed = Typed(action=sent.action["name"], form=sent, note=note, preview=changes)
    return await _page(visit, request, typed=typed)


async def _refused(
    visit: Visit,
    request: Request,
    error: SignoffError,
    typed: Typed | None = None,
    handled: str | None = None,
) -> Response:
    message = error.message
    if isinstance(error, RequestClosed):
        message = f"{closed_by(request)} Your answer was not sent, and nothing was changed."
    elif isinstance(error, StaleDigest):
        message = (
            "What is asked has changed since you opened this page: below is what it shows now. "
            "Your answer was not sent; look at it again and decide anew."
        )
    elif isinstance(error, SignInTooOld):
        message = SIGN_IN_AGAIN
    notice = Notice(
        kind="refused",
        text=message,
        again=_again_at(visit, request) if isinstance(error, SignInTooOld) else None,
    )
    return await _page(
        visit, request, typed=typed, notice=notice, status=status_of(error), handled=handled
    )


def _again_at(visit: Visit, request: Request) -> str:
    """Where somebody signs in once more, to come back to a request."""
    here = f"{visit.base}/requests/{request.id}{query(**query_of(_listed(visit)))}"
    return f"{visit.base}/sign-in{query(again=1, next=here)}"


def _listed(visit: Visit) -> Search:
    return search_of(visit.request.query_params)


DONE = {
    "claim": "You have claimed this request: others see that you work on it.",
    "release": "You have released this request.",
    "delegate": "You have handed this request on.",
    "comment": "Your comment is kept.",
    "take-back": "Your vote is taken back.",
    "withdraw": "You have withdrawn this request: its thread stays where it is.",
    "retry": "The outcome is on its way again.",
    "reask": "The question is asked anew.",
    "voted": "Your vote is counted.",
    "decided": "Done. Your decision is on its way to the graph.",
}


async def _page(
    visit: Visit,
    request: Request,
    *,
    typed: Typed | None = None,
    notice: Notice | None = None,
    status: int = 200,
    handled: str | None = None,
) -> Response:
    office = visit.office
    parameters = visit.request.query_params
    done = parameters.get("done")
    if notice is None and done in DONE and typed is None:
        notice = Notice(kind="done", text=DONE[done])
    person = await inbox.reviewer_of(office, request, visit.by)
    entries = await read.audit_entries(office, request_id=request.id)
    earlier = await inbox.previous(office, request)
    shown, changes = await asyncio.to_thread(shown_of, request, earlier)
    at = office.now()
    refusal = _refusal(request, person, visit.principal, at)
    is_open = request.state is RequestState.OPEN
    told = refusal is not None or (notice is not None and notice.again is not None)
    stale = is_open and not told and is_stale(visit.principal, request.policy, at)
    return page(
        visit.request,
        "request.html",
        by=visit.by,
        status=status,
        request=request,
        sections=shown,
        earlier=earlier,
        changes=changes,
        choices=[] if refusal else choices_of(request, typed, parameters.get("as") == "json"),
        refusal=refusal,
        notice=notice,
        again=_again_at(visit, request) if stale else None,
        handled=handled,
        sent=visit.form,
        bare=False,
        entries=entries,
        policy=words.policy_lines(request.policy),
        tallies=tally(request.votes, request.policy),
        own_vote=next((vote for vote in request.votes if vote.by == visit.by), None),
        people=await names_of_users(visit) if is_open else [],
        may_withdraw=visit.by in request.involved or refusal is None,
        is_open=is_open,
        may_retry=request.delivery is Delivery.FAILED
        and visit.principal.role.includes(Role.OPERATOR),
        done=done,
        **await _what_next(visit, request),
    )


async def _what_next(visit: Visit, request: Request) -> dict[str, Any]:
    """What the thread of a closed request did next, and what there is to do for the person."""
    search = search_of(visit.request.query_params)
    shown: dict[str, Any] = {
        "listed": query_of(search),
        "thread": None,
        "later": [],
        "next_id": None,
        "closed": None,
        "settled": True,
    }
    next_id = await inbox.following(visit.office, search, request, by=visit.by)
    shown["next_id"] = next_id
    if request.state is RequestState.OPEN:
        return shown
    thread = await read.get_thread(visit.office, request.thread_id)
    later = [
        line
        for line in await inbox.of_thread(visit.office, request.thread_id)
        if line.opened_at > request.opened_at and line.id != request.id
    ]
    return shown | {
        "thread": thread,
        "later": later[::-1],
        "closed": closed_by(request),
        "settled": _is_settled(request, thread),
    }


def _is_settled(request: Request, thread: Thread) -> bool:
    return thread.status is not ThreadStatus.BUSY and request.delivery is not Delivery.PENDING


def _refusal(request: Request, person: Reviewer, principal: Principal, at: datetime) -> str | None:
    """Why somebody may not decide a request that is open, whatever they do."""
    if request.state is not RequestState.OPEN:
        return None
    try:
        require(principal, Role.REVIEWER)
        request.admit(person)
        check_sign_in(principal, request.policy, at)
    except Forbidden as error:
        return error.message
    except SignInTooOld:
        return None
    return None
