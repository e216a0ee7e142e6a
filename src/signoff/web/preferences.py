"""The page on which people choose how they are told."""

from __future__ import annotations

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from fastapi import APIRouter
from starlette.responses import Response

from signoff.domain.address import masked
from signoff.domain.errors import InvalidPolicy
from signoff.domain.notification import Occasion
from signoff.domain.preferences import BY_DEFAULT, WEEKDAYS, Pace, Preferences
from signoff.domain.principal import Role
from signoff.domain.user import User
from signoff.project import preferences as tables
from signoff.service import preferences
from signoff.web.form_data import FormData
from signoff.web.route import PageRoute, Visit, page, see


class _OwnPage(PageRoute):
    """What is about oneself alone: a viewer may send it as well."""

    def role(self) -> Role:
        return Role.VIEWER


router = APIRouter(route_class=_OwnPage, include_in_schema=False)

OCCASIONS = {
    Occasion.OPENED: "A decision is needed",
    Occasion.REMINDED: "A reminder is due, or the deadline has passed",
    Occasion.ESCALATED: "It was escalated",
    Occasion.DELEGATED: "Somebody hands it on to me",
    Occasion.DECIDED: "It was decided",
    Occasion.EXPIRED: "The deadline has decided it",
    Occasion.WITHDRAWN: "It was withdrawn",
    Occasion.SUPERSEDED: "The thread went on without it",
    Occasion.FAILED: "The decision could not be delivered",
}

ABOUT = {
    "me": "Requests that name me",
    "groups": "Also those that name one of my groups",
    "all": "Also those that any reviewer may decide",
}

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@router.get("/inbox/preferences")
async def show_preferences(visit: Visit, saved: bool = False) -> Response:
    """How one is told, as a form."""
    user = await preferences.find(visit.office, visit.by)
    return _show(visit, user, user.wishes if user else BY_DEFAULT, saved=saved)


@router.post("/inbox/preferences")
async def choose(visit: Visit) -> Response:
    """Keep what was chosen, or go back to what is said for one."""
    user = await preferences.find(visit.office, visit.by)
    if user is not None and "reset" not in visit.form:
        try:
            chosen = tables.read(_given(visit.form, user))
        except InvalidPolicy as error:
            said = "; ".join(each.message for each in error.errors)
            return _show(visit, user, user.wishes, refusal=f"That was not kept: it {said}.")
        await preferences.choose(visit.office, visit.by, chosen)
    else:
        await preferences.choose(visit.office, visit.by, None)
    return see(visit, "/preferences?saved=1")


def _show(
    visit: Any, user: User | None, wishes: Preferences, *, saved: bool = False, refusal: str = ""
) -> Response:
    return page(
        visit.request,
        "preferences.html",
        by=visit.by,
        status=422 if refusal else 200,
        user=user,
        wishes=wishes,
        given=wishes.to_json(),
        ways=[(channel, masked(channel, address)) for channel, address in user.ways]
        if user
        else [],
        occasions=OCCASIONS,
        about=ABOUT,
        days=list(zip(WEEKDAYS, DAYS, strict=True)),
        paces=Pace,
        zones=_zones(),
        saved=saved,
        refusal=refusal,
    )


@cache
def _zones() -> tuple[str, ...]:
    """Those of places; the others are abbreviations and what is left of old names."""
    return (
        "UTC",
        *sorted(
            each
            for each in available_timezones()
            if each[:1] > "@"
            and "/" in each
            and not each.startswith(("Etc/", "SystemV/", "US/", "posix/", "right/"))
        ),
    )


def _given(form: FormData, user: User) -> dict[str, Any]:
    """What was chosen, as people would write it."""
    there = list(dict.fromkeys(channel for channel, _ in user.ways))
    wanted = [each for each in there if each in form.getlist("channel")]
    start, end = form.get("from", "").strip(), form.get("until", "").strip()
    quiet: dict[str, Any] = {
        "days": form.getlist("day"),
        "urgent": "urgent" in form,
        **({"hours": f"{start}-{end}"} if start or end else {}),
    }
    pace = form.get("pace", Pace.NONE)
    return {
        "notify": {
            "channels": None if wanted == there else wanted,
            "occasions": form.getlist("occasion"),
            "about": form.get("about", "all"),
        },
        "quiet": quiet if start or end or quiet["days"] else None,
        "digest": f"daily {form.get('at', '')}" if pace == Pace.DAILY else pace,
        "timezone": form.get("timezone", "UTC"),
    }
