"""Numbers, durations and actions in words, the same on pages, in messages and in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def span(time: timedelta) -> str:
    """How long something is, in the one or two units that matter."""
    time = abs(time)
    if time < MINUTE:
        return "less than a minute"
    if time < HOUR:
        return f"{time // MINUTE} min"
    if time < DAY:
        minutes = time % HOUR // MINUTE
        return f"{time // HOUR} h" + (f" {minutes} min" if minutes and time < 6 * HOUR else "")
    hours = time % DAY // HOUR
    return f"{time // DAY} d" + (f" {hours} h" if hours and time < 3 * DAY else "")


def number(count: int, one: str, more: str = "") -> str:
    """How many there are of something: `1 thread`, `2 threads`, or whatever `more` are called."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def label(word: str) -> str:
    """An action's or a state's name as words."""
    text = word.replace("_", " ")
    return text[:1].upper() + text[1:]


PAST: Mapping[str, str] = {
    "approve": "approved",
    "reject": "rejected",
    "accept": "accepted",
    "edit": "edited and approved",
    "respond": "answered",
    "ignore": "ignored",
    "continue": "continued",
    "abort": "aborted",
    "submit": "submitted",
}
"""What somebody did who chose an action, where that can be said better than by its name."""
