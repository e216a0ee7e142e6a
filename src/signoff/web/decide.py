"""Deciding from a message: what its link opens.

To open a link changes nothing, however often and by whom. Neither does it to send a form that is on
the page: what comes of that is a second page, which says what is about to be decided, and only its
own button decides. So nothing is decided by a program that follows links, fills in the forms that
it finds, or looks at mail on somebody's behalf. Forms are taken from our own pages alone, by the
browser that they were shown in.

Whoever has a link acts as the person whom it was sent to. So no page here has it go anywhere else:
not to other sites, nor, with the address, into a log.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request as Call
from starlette.responses import Response

from signoff.acting import acting
from signoff.authentication import identify
from signoff.domain.decision import Ballot
from signoff.domain.errors import (
    FieldError,
    Forbidden,
    InvalidInput,
    LinkNotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
)
from signoff.domain.link import Standing
from signoff.domain.principal import DEV, Principal
from signoff.domain.request import RequestState
from signoff.pauses.any_kind import check_ballot
from signoff.service import inbox
from signoff.service.links import PATH, Opened, decide_by_link, look
from signoff.service.office import Office
from signoff.web import content, csrf, diff, form_data, words
from signoff.web.deciding import Typed, choices_of, closed_by, prefix_of, shown_of
from signoff.web.form_data import FormData
from signoff.web.forms.action import ActionForm
from signoff.web.forms.typed import Unreadable
from signoff.web.headers import PAGE
from signoff.web.rendering import query
from signoff.web.route import base_of, page, problem
from signoff.web.sign_in import address_of

SURE = "sure"
"""The field of the button that decides."""

BACK = "back"
"""The field of the one that leads back to the form."""

HEADERS: Mapping[str, str] = {**PAGE, "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}


class _LinkRoute(APIRoute):
    """For whoever has a link: nobody needs to be signed in."""

    def get_route_handler(self) -> Callable[[Call], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(call: Call) -> Response:
            try:
                response = await handle(call)
            except LinkNotFound as error:
                response = problem(call, _counted(call, error), None, bare=True)
            except Exception as error:
                response = problem(call, error, None, bare=True)
            response.headers.update(HEADERS)
            return response

        return answer


class _WithoutTokens(logging.Filter):
    """Keeps the tokens of links out of the lines that uvicorn writes of each call.

    Signoff's own server writes none; one that it is mounted in may.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask what comes behind `PATH`."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                _TOKEN.sub(r"\1***", each) if isinstance(each, str) else each
                for each in record.args
            )
        return True


_TOKEN = re.compile(rf"({PATH})[^\s/?]+")

_without_tokens = _WithoutTokens()


def keep_out_of_logs() -> None:
    """Have uvicorn log no token of a link; once or often is the same."""
    logging.getLogger("uvicorn.access").addFilter(_without_tokens)


router = APIRouter(route_class=_LinkRoute, include_in_schema=False)


def _counted(call: Call, error: LinkNotFound) -> LinkNotFound | RateLimited:
    """A wrong link; or that there were too many of them from where this one comes from."""
    wait = _office(call).wrong_links.spend(address_of(call))
    if wait > 0:
        return RateLimited(
            "There were too many links that lead nowhere. Wait a minute.",
            retry_after=timedelta(seconds=wait),
        )
    return error


@router.get(f"{PATH}{{token}}")
async def show(call: Call, token: str) -> Response:
    """What is asked, and the forms to decide it; or why the link does not open that."""
    opened = await look(_office(call), token)
    return await _closed_door(call, opened) or await _asked(call, token, opened)


@router.get(f"{PATH}{{token}}/payload")
async def show_payload(call: Call, token: str) -> Response:
    """All that the graph shows, as it is."""
    opened = await look(_office(call), token)
    if (refused := await _closed_door(call, opened)) is not None:
        return refused
    return Response(
        words.pretty(opened.request.payload).encode("utf-8", "replace"),
        media_type="text/plain; charset=utf-8",
    )


@router.post(f"{PATH}{{token}}/decisions/{{action}}")
async def send(call: Call, token: str, action: str) -> Response:
    """Show what is about to be decided, to be confirmed; or, if that is what is sent, decide."""
    opened = await look(_office(call), token)
    if (refused := await _closed_door(call, opened)) is not None:
        return refused
    form = await form_data.read(call)
    csrf.check(call, form.get(csrf.FIELD, ""))
    if call.headers.get("sec-fetch-mode", "navigate") != "navigate":
        raise Forbidden("No script decides here: send the form.")
    request = opened.request
    offered = next((each for each in request.actions if each["name"] == action), None)
    if offered is None:
        return await _asked(call, token, opened, refusal="This is no action of it.")
    sent = ActionForm(
        offered, prefix=prefix_of(request, action), data=form, as_json=form.get("as") == "json"
    )
    note = form.get("/note", "")
    typed = Typed(action=action, form=sent, note=note)
    try:
        values = sent.values()
        ballot = Ballot(
            action=action, values=values, note=note.strip() or None, digest=form.get("digest")
        )
        check_ballot(request, ballot)
        if BACK in form:
            return await _asked(call, token, opened, typed)
        if SURE not in form:
            return await _confirm(call, token, opened, _Answer(sent, values, form))
        opened = await decide_by_link(_office(call), token, ballot)
    except Unreadable as error:
        return await _asked(call, token, opened, _with(typed, [error.error]))
    except (InvalidInput, TooLarge) as error:
        errors = error.errors if isinstance(error, InvalidInput) else ()
        wrong = _with(typed, list(errors) or [FieldError("", error.message)])
        return await _asked(call, token, opened, wrong)
    if opened.standing is Standing.USED:
        return Response(status_code=303, headers={"location": _path(call, token)})
    return await _closed_door(call, opened) or await _asked(call, token, opened)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What somebody is about to decide."""

    form: ActionForm
    values: dict[str, Any]
    sent: FormData


def _with(typed: Typed, errors: list[FieldError]) -> Typed:
    return Typed(action=typed.action, form=typed.form, note=typed.note, errors=errors)


# --- who -----------------------------------------------------------------------------------------


async def _closed_door(call: Call, opened: Opened) -> Response | None:
    """The page that says why a link does not open what it was made for; None if it does."""
    by = await _signed_in(call)
    inside = f"{base_of(call)}/requests/{opened.request.id}"
    is_dev = by is not None and by.method == DEV
    if by is not None and by.name != opened.link.user and not is_dev:
        message = (
            f"This link was sent to {opened.link.user}, and you are signed in as {by.name}. "
            "Nobody decides in the name of somebody else."
        )
        return _said(call, 403, "This is for somebody else", message, inside=inside)
    match opened.standing:
        case Standing.READY:
            return None
        case Standing.SIGN_IN:
            return _to_sign_in(call, opened, by)
        case Standing.USED | Standing.CLOSED:
            return await _outcome(call, opened)
    status, heading, message = _ENDED[opened.standing]
    if opened.standing is Standing.BARRED:
        return _said(call, status, heading, message)
    return _said(call, status, heading, message, inside=inside)


_ENDED: Mapping[Standing, tuple[int, str, str]] = {
    Standing.BARRED: (
        403,
        "You may not decide this any more",
        "Since the message was sent, it has become somebody else's to decide.",
    ),
    Standing.EXPIRED: (
        410,
        "This link has expired",
        "The links of messages open for a while only. In the inbox you can go on.",
    ),
    Standing.REPLACED: (
        410,
        "This link was replaced",
        "The message was sent once more: its newest copy has the link that works.",
    ),
    Standing.CHANGED: (
        409,
        "The question has changed",
        "What is asked is not what the message says any more, so nothing is decided by it. "
        "Look at what is asked now.",
    ),
}


async def _signed_in(call: Call) -> Principal | None:
    """Who is signed in with this browser; nobody needs to be."""
    try:
        return await identify(call, again=True)
    except (Unauthenticated, Forbidden, HTTPException):
        return None


def _to_sign_in(call: Call, opened: Opened, by: Principal | None) -> Response:
    """On to the inbox, by way of signing in: what is asked is shown to nobody before."""
    inside = f"/requests/{opened.request.id}"
    if by is not None:
        location = f"{base_of(call)}{inside}"
        return Response(status_code=303, headers={"location": location})
    message = f"To decide this, sign in as {opened.link.user}."
    return _said(call, 401, "Sign in to decide", message, sign_in=inside)


# --- pages ---------------------------------------------------------------------------------------


def _said(
    call: Call,
    status: int,
    heading: str,
    message: str,
    *,
    inside: str | None = None,
    sign_in: str | None = None,
) -> Response:
    again = None
    if sign_in is not None:
        base = base_of(call)
        again = f"{base}/sign-in{query(next=f'{base}{sign_in}')}"
    return page(
        call,
        "decide_said.html",
        by=None,
        status=status,
        heading=heading,
        message=message,
        inside=inside,
        sign_in=again,
    )


async def _outcome(call: Call, opened: Opened) -> Response:
    """Who decided, and how."""
    request, link = opened.request, opened.link
    own = next((vote for vote in request.votes if vote.by == link.user), None)
    is_used = opened.standing is Standing.USED
    status = 200
    if not is_used:
        status = 409 if call.method == "POST" else 410
    return page(
        call,
        "decided.html",
        by=None,
        status=status,
        request=request,
        link=link,
        chosen=link.action if is_used else None,
        own=own,
        closed=closed_by(request) if request.state is not RequestState.OPEN else None,
        inside=f"{base_of(call)}/requests/{request.id}",
    )


async def _asked(
    call: Call,
    token: str,
    opened: Opened,
    typed: Typed | None = None,
    refusal: str | None = None,
) -> Response:
    """What is asked, and the forms."""
    request, office = opened.request, _office(call)
    with acting(opened.principal):
        earlier = await inbox.previous(office, request)
    shown, changes = await asyncio.to_thread(shown_of, request, earlier)
    as_json = call.query_params.get("as") == "json"
    wrong = refusal is not None or (typed is not None and bool(typed.errors))
    return page(
        call,
        "decide.html",
        by=None,
        status=422 if wrong else 200,
        request=request,
        user=opened.link.user,
        sections=shown,
        earlier=earlier,
        changes=changes,
        choices=[each.without_key() for each in choices_of(request, typed, as_json)],
        refusal=refusal,
        own_vote=next((vote for vote in request.votes if vote.by == opened.link.user), None),
        url=_path(call, token),
        inside=f"{base_of(call)}/requests/{request.id}",
        here_query="",
        listed={},
        bare=True,
    )


async def _confirm(call: Call, token: str, opened: Opened, answer: _Answer) -> Response:
    """What is about to be decided, and the button that does."""
    changes = None
    form, fields = answer.form, answer.sent
    if form.begins_filled:
        changes = await asyncio.to_thread(diff.changes, form.example(), answer.values)
    name = form.action["name"]
    return page(
        call,
        "confirm.html",
        by=None,
        request=opened.request,
        user=opened.link.user,
        action=form.action,
        values=content.shown(answer.values) if answer.values and changes is None else None,
        changes=changes,
        note=fields.get("/note", "").strip(),
        fields=[
            (field, value)
            for field in fields
            if field not in (csrf.FIELD, SURE, BACK)
            for value in fields.getlist(field)
        ],
        url=f"{_path(call, token)}/decisions/{name}",
        bare=True,
    )


def _path(call: Call, token: str) -> str:
    return f"{call.scope.get('root_path', '')}{PATH}{token}"


def _office(call: Call) -> Office:
    office: Office = call.app.state.desk.office
    return office
