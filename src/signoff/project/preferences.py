"""Preferences as people write them: in a file, on a page or over HTTP.

notify = ["email", "slack"]    # or { channels = [...], occasions = ["opened"], about = "me" }
quiet = "20:00-07:00"          # or { hours = "20:00-07:00", days = ["sat"], urgent = false }
digest = "daily 08:00"         # or none, hourly
timezone = "Europe/Berlin"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, time, tzinfo
from enum import StrEnum
from typing import Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

from signoff.domain.errors import FieldError, InvalidPolicy
from signoff.domain.jsontext import pointer
from signoff.domain.notification import Occasion
from signoff.domain.preferences import WEEKDAYS, About, Digest, Pace, Preferences, Quiet


def read(given: Mapping[str, object]) -> Preferences:
    """The preferences of a table; what is not given is as by default.

    Raises:
        InvalidPolicy: It makes none; an error points at each place that is wrong.
    """
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, value in given.items():
        try:
            values |= _READ.get(name, _unknown)(value, pointer(name))
        except InvalidPolicy as error:
            errors += error.errors
    if errors:
        said = "; ".join(f"{e.pointer[1:].replace('/', '.')} {e.message}" for e in errors)
        raise InvalidPolicy(said, errors)
    return Preferences(**values)


_CLOCK = r"([01]?\d|2[0-3]):([0-5]\d)"
_SPAN = re.compile(rf"\s*{_CLOCK}\s*(?:-|\u2013|to)\s*{_CLOCK}\s*", re.ASCII)
_DAILY = re.compile(rf"\s*daily(?:\s+(?:at\s+)?{_CLOCK})?\s*", re.ASCII)

E = TypeVar("E", bound=StrEnum)


def _refuse(at: str, message: str) -> NoReturn:
    raise InvalidPolicy(message, [FieldError(at, message)])


def _unknown(value: object, at: str) -> NoReturn:
    _refuse(at, f"is not known here; there are {', '.join(_READ)}")


def _notify(value: object, at: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {"channels": _channels(value, at)}
    read: Mapping[str, Callable[[object, str], Any]] = {
        "channels": _channels,
        "occasions": _occasions,
        "about": lambda value, at: _one(value, About, at),
    }
    if unknown := [key for key in value if key not in read]:
        _refuse(at, f"has {unknown[0]!r:.80}; it takes {', '.join(read)}")
    return {key: read[key](part, f"{at}/{key}") for key, part in value.items()}


def _channels(value: object, at: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = _texts(value, at, "channels", '["email", "slack"]')
    return tuple(dict.fromkeys(names))


def _occasions(value: object, at: str) -> frozenset[Occasion]:
    names = _texts(value, at, "occasions", '["opened", "escalated"]')
    return frozenset(_one(name, Occasion, f"{at}/{n}") for n, name in enumerate(names))


def _texts(value: object, at: str, what: str, example: str) -> list[str]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(e, str) and e for e in listed):
        _refuse(at, f"must be a list of {what}, such as {example}")
    return list(listed)


def _one(value: object, kind: type[E], at: str) -> E:
    try:
        return kind(value)  # type: ignore[arg-type]
    except ValueError:
        _refuse(at, f"is {value!r:.80}; it is one of {', '.join(kind)}")


def _quiet(value: object, at: str) -> dict[str, Any]:
    if value is None:
        return {"quiet": None}
    given = value if isinstance(value, Mapping) else {"hours": value}
    if unknown := [key for key in given if key not in ("hours", "days", "urgent")]:
        _refuse(at, f"has {unknown[0]!r:.80}; it takes hours, days and urgent")
    start, end = _span(given.get("hours"), f"{at}/hours" if given is value else at)
    days = _days(given.get("days", ()), f"{at}/days")
    urgent = given.get("urgent", True)
    if not isinstance(urgent, bool):
        _refuse(f"{at}/urgent", "must be true or false")
    if start is None and not days:
        _refuse(at, "must have hours or days")
    return {"quiet": Quiet(start=start, end=end, days=days, urgent=urgent)}


def _span(value: object, at: str) -> tuple[time | None, time | None]:
    if value is None:
        return None, None
    if not isinstance(value, str) or not (found := _SPAN.fullmatch(value)):
        _refuse(at, f"is {value!r:.80}, and not from when to when, such as 20:00-07:00")
    first, last = (time(int(found[n]), int(found[n + 1])) for n in (1, 3))
    if first == last:
        _refuse(at, "must end at another time than they begin")
    return first, last


def _days(value: object, at: str) -> frozenset[int]:
    names = _texts(value, at, "days", '["sat", "sun"]') if value else []
    days = []
    for n, name in enumerate(names):
        if (short := name.lower()[:3]) not in WEEKDAYS:
            _refuse(f"{at}/{n}", f"is {name!r:.80}; it is one of {', '.join(WEEKDAYS)}")
        days.append(WEEKDAYS.index(short))
    if len(set(days)) == len(WEEKDAYS):
        _refuse(at, "must leave one day of the week")
    return frozenset(days)


def _digest(value: object, at: str) -> dict[str, Any]:
    if isinstance(value, str):
        if value in (Pace.NONE, Pace.HOURLY):
            return {"digest": Digest(Pace(value))}
        if found := _DAILY.fullmatch(value):
            clock = time(int(found[1]), int(found[2])) if found[1] else Digest().at
            return {"digest": Digest(Pace.DAILY, clock)}
    _refuse(at, f"is {value!r:.80}; it is none, hourly, or daily with a time, such as daily 08:00")


def timezone(value: object, at: str) -> tzinfo:
    """The time zone of a name.

    Raises:
        InvalidPolicy: There is none of that name; the error points `at` it.
    """
    if value == "UTC":
        return UTC
    try:
        return ZoneInfo(value)  # type: ignore[arg-type]
    except (TypeError, KeyError, ValueError, OSError):
        _refuse(at, f"{value!r:.80} is no time zone, such as Europe/Berlin")


_READ: Mapping[str, Callable[[object, str], dict[str, Any]]] = {
    "notify": _notify,
    "quiet": _quiet,
    "digest": _digest,
    "timezone": lambda value, at: {"timezone": timezone(value, at)},
}
