"""Durations as people write them: `90m`, `1h30m`, `2d`, `PT24H`, or a `timedelta`."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache

from signoff.domain.errors import InvalidPolicy

LONGEST = timedelta(days=36_500)
"""A hundred years: what is longer is a slip, and would overflow the calendar when added to now."""

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_SHORT = re.compile(
    rf"(?:{_NUMBER}w)?\s*(?:{_NUMBER}d)?\s*(?:{_NUMBER}h)?\s*(?:{_NUMBER}m)?\s*(?:{_NUMBER}s)?",
    re.ASCII,
)
_ISO = re.compile(
    rf"P(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?",
    re.ASCII,
)
_CALENDAR = re.compile(r"P[^T]*\d[YM].*", re.ASCII)
_MOST_CHARACTERS = 64


def parse(value: object) -> timedelta:
    """The duration that `value` stands for.

    Takes a `timedelta`, an ISO 8601 duration (`PT24H`, `P2D`, `P1DT2H`, `P1W`), or numbers with
    units from large to small (`1w`, `2d`, `24h`, `90m`, `45s`, `1h30m`). A day is 24 hours.

    Raises `InvalidPolicy` for anything else: numbers without a unit, years and months (their
    length is not fixed), nothing or less, and more than a hundred years.
    """
    if isinstance(value, timedelta):
        return _within_bounds(value, value)
    if not isinstance(value, str):
        raise InvalidPolicy(
            f"{_shown(value)} is no duration: write it with its unit, such as 90m, 24h, 2d or"
            " PT24H, or give a timedelta."
        )
    return _parse(value)


@lru_cache(maxsize=512)  # the same few stand in every request
def _parse(value: str) -> timedelta:
    text = value.strip()
    if len(text) > _MOST_CHARACTERS:
        raise InvalidPolicy(f"{_shown(value)} is too long for a duration.")
    if _CALENDAR.fullmatch(text):
        raise InvalidPolicy(
            f"{_shown(value)}: years and months have no fixed length; write days or weeks, such"
            " as P30D or 30d."
        )
    found = _ISO.fullmatch(text) or _SHORT.fullmatch(text)
    if found is None or not any(found.groups()):
        raise InvalidPolicy(
            f"{_shown(value)} is no duration: write it such as 90m, 1h30m, 24h, 2d, 1w or PT24H."
        )
    weeks, days, hours, minutes, seconds = (
        float(part.replace(",", ".")) if part else 0.0 for part in found.groups()
    )
    try:
        duration = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        duration = timedelta.max
    return _within_bounds(duration, value)


def isoformat(duration: timedelta) -> str:
    """`duration` in ISO 8601, in hours, minutes and seconds: `PT24H`, `PT1H30M`, `PT0S`, `-PT5M`.

    Days are written as hours, so that nobody wonders about days with a clock change in them.
    `parse` reads back exactly what it says.
    """
    sign = "-" if duration < timedelta() else ""
    microseconds = abs(duration) // timedelta(microseconds=1)
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}H" if hours else ""
    text += f"{minutes}M" if minutes else ""
    if fraction:
        text += f"{seconds}." + f"{fraction:06}".rstrip("0") + "S"
    elif seconds or not text:
        text += f"{seconds}S"
    return f"{sign}PT{text}"


def short(duration: timedelta) -> str:
    """A duration as people write it, such as `1h30m`: what `parse` makes the same of."""
    return isoformat(duration).replace("P", "").replace("T", "").lower()


def _within_bounds(duration: timedelta, given: object) -> timedelta:
    if duration <= timedelta():
        raise InvalidPolicy(f"{_shown(given)} is no duration to wait for: it must be above zero.")
    if duration > LONGEST:
        raise InvalidPolicy(f"{_shown(given)} is longer than a hundred years.")
    return duration


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, timedelta) else repr(value)
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
