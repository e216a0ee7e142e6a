"""Calendars as people write them in `[[calendar]]` tables of `signoff.toml`.

    [[calendar]]
    name = "munich"
    timezone = "Europe/Berlin"
    hours = "mon-thu 09:00-12:00 13:00-17:00, fri 09:00-13:00"
    holidays = { country = "DE", subdivision = "BY" }
    closed = [2026-12-31]
    special = { 2026-12-24 = "09:00-12:00" }

`hours` may be a table of days as well: `{ "mon-thu" = ["09:00-12:00", "13:00-17:00"], fri = ... }`.
Public holidays come from the `holidays` library, which computes them for any year.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Container, Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, available_timezones

from signoff.domain.calendar import Calendar, Hours, WorkingDay
from signoff.domain.errors import FieldError, InvalidPolicy
from signoff.domain.jsontext import pointer

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_STRETCH = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)", re.ASCII)
_DAYS = re.compile(r"([a-z]{3})(?:\s*-\s*([a-z]{3}))?", re.ASCII)
_GROUP = re.compile(r"\s*(?P<days>[a-z]{3}(?:\s*-\s*[a-z]{3})?)\s+(?P<hours>\d.*)", re.ASCII)


def read(table: Mapping[str, object]) -> Calendar:
    """The calendar of a table.

    Raises:
        InvalidPolicy: It makes none; an error points at each place of the table that is wrong.
    """
    values: dict[str, Any] = {}
    errors = [
        FieldError(pointer(key), "is missing")
        for key in ("name", "timezone", "hours")
        if key not in table
    ]
    for key, value in table.items():
        try:
            values[key] = _READ.get(key, _unknown)(value, pointer(key))
        except InvalidPolicy as error:
            errors += error.errors
    closed, special = values.get("closed", {}), values.get("special", {})
    errors += [
        FieldError(closed[day], f"has {day}, which has hours in special as well")
        for day in closed
        if day in special
    ]
    if not errors and not any(values["hours"].values()):
        errors = [FieldError("/hours", "leaves no working time at all")]
    if errors:
        said = "; ".join(f"{e.pointer[1:].replace('/', '.')} {e.message}" for e in errors)
        raise InvalidPolicy(f"calendar: {said}", errors)
    return Calendar(
        name=values["name"],
        timezone=values["timezone"],
        hours=values["hours"],
        holidays=values.get("holidays", frozenset()),
        special=dict.fromkeys(closed, ()) | special,
    )


def _unknown(value: object, at: str) -> NoReturn:
    _refuse(at, f"is not known here; a calendar has {', '.join(_READ)}")


def _refuse(at: str, message: str) -> NoReturn:
    raise InvalidPolicy(message, [FieldError(at, message)])


def _name(value: object, at: str) -> str:
    if not isinstance(value, str) or not value.strip():
        _refuse(at, "must be a name")
    return value


def _timezone(value: object, at: str) -> ZoneInfo:
    try:
        if not isinstance(value, str):
            _refuse(at, "must be the name of a time zone, such as Europe/Berlin")
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        _refuse(at, f"{value!r} is no time zone{_hint(str(value), available_timezones())}")


# --- hours -------------------------------------------------------------------------------------


def _week(value: object, at: str) -> dict[int, WorkingDay]:
    if isinstance(value, str):
        groups = [(at, *_group(group, at)) for group in value.split(",")]
    elif isinstance(value, Mapping):
        groups = [(at + pointer(days), days, hours) for days, hours in value.items()]
    else:
        _refuse(at, 'must be such as "mon-fri 09:00-17:00", or a table of days')
    week: dict[int, WorkingDay] = {}
    for place, days, hours in groups:
        working_day = _working_day(hours, place)
        for weekday in _weekdays(days, place):
            if weekday in week:
                _refuse(place, f"has {WEEKDAYS[weekday]} once more")
            week[weekday] = working_day
    return week


def _group(text: str, at: str) -> tuple[str, str]:
    found = _GROUP.fullmatch(text.lower())
    if found is None:
        _refuse(at, f"has {text.strip()!r:.80}, which is not such as 'mon-fri 09:00-17:00'")
    return found["days"], found["hours"]


def _weekdays(text: str, at: str) -> list[int]:
    found = _DAYS.fullmatch(text.strip().lower())
    if found is None or any(day not in WEEKDAYS for day in found.groups() if day):
        _refuse(at, f"has {text!r:.80}, which is no weekday; they are {', '.join(WEEKDAYS)}")
    first, last = (WEEKDAYS.index(day or found[1]) for day in found.groups())
    return [(first + n) % 7 for n in range((last - first) % 7 + 1)]


def _working_day(value: object, at: str) -> WorkingDay:
    stretches = value.split() if isinstance(value, str) else value
    if not isinstance(stretches, list):
        _refuse(at, "must be hours such as 09:00-17:00, or a list of them")
    found = [_stretch(each, at) for each in stretches]
    if any(earlier.end > later.start for earlier, later in pairwise(found)):
        _refuse(at, "has hours that overlap, or are not in order")
    return tuple(found)


def _stretch(value: object, at: str) -> Hours:
    found = _STRETCH.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or int(found[2]) > 59 or int(found[4]) > 59:
        _refuse(at, f"has {value!r:.80}, which are no hours such as 09:00-17:00")
    start, end = (timedelta(hours=int(found[n]), minutes=int(found[n + 1])) for n in (1, 3))
    try:
        return Hours(start, end)
    except InvalidPolicy:
        _refuse(
            at,
            f"has {value}: hours end after they start, at 24:00 at the latest; what goes on after "
            "midnight belongs to the next day, from 00:00",
        )


# --- days --------------------------------------------------------------------------------------


def _public_holidays(value: object, at: str) -> Container[date]:
    import holidays  # many modules, for those who name a country

    if not isinstance(value, Mapping) or not isinstance(value.get("country"), str):
        _refuse(at, 'must be such as { country = "DE", subdivision = "BY" }')
    if unknown := [key for key in value if key not in ("country", "subdivision")]:
        _refuse(at + pointer(unknown[0]), "is not known here: holidays have country, subdivision")
    country, subdivision = value["country"], value.get("subdivision")
    known: Mapping[str, Collection[str]] = holidays.list_supported_countries()
    if country not in known:
        _refuse(
            f"{at}/country",
            f"{country!r:.80} is no country whose holidays are known, by its"
            f" ISO 3166 code{_hint(country.upper(), known)}",
        )
    try:
        return holidays.country_holidays(country, subdiv=subdivision)
    except NotImplementedError:
        parts = ", ".join(known[country]) or "none"
        _refuse(
            f"{at}/subdivision", f"{subdivision!r:.80} is none of {country}'s, which are {parts}"
        )


def _dates(value: object, at: str) -> dict[date, str]:
    """The dates of a list, and where each stands."""
    if not isinstance(value, list):
        _refuse(at, "must be a list of dates, such as [2026-12-31]")
    places = [f"{at}/{n}" for n in range(len(value))]
    return {_date(each, place): place for each, place in zip(value, places, strict=True)}


def _special(value: object, at: str) -> dict[date, WorkingDay]:
    if not isinstance(value, Mapping):
        _refuse(at, 'must be dates with their hours, such as { 2026-12-24 = "09:00-12:00" }')
    return {
        _date(day, at + pointer(day)): _working_day(hours, at + pointer(day))
        for day, hours in value.items()
    }


def _date(value: object, at: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        _refuse(at, f"{str(value)!r:.80} is no date such as 2026-12-31")


def _hint(given: str, known: Collection[str]) -> str:
    similar = difflib.get_close_matches(given, known, n=1)
    return f" (did you mean {similar[0]}?)" if similar else ""


_READ: Mapping[str, Callable[[Any, str], Any]] = {
    "name": _name,
    "timezone": _timezone,
    "hours": _week,
    "holidays": _public_holidays,
    "closed": _dates,
    "special": _special,
}
