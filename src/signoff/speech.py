"""Numbers, times, actions and JSON in words: on pages, in messages and in a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

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


def ago(at: datetime, now: datetime) -> str:
    """How long ago something was."""
    passed = now - at
    return "just now" if passed < MINUTE else f"{span(passed)} ago"


def due(deadline: datetime, now: datetime) -> str:
    """When something is due, or since when it was."""
    left = deadline - now
    return f"due in {span(left)}" if left > timedelta() else f"overdue by {span(left)}"


def number(count: int, one: str, more: str = "") -> str:
    """How many there are of something: `1 thread`, `2 threads`, or whatever `more` are called."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def lines_of(value: Any, indent: str = "", *, shown: Callable[[str], str] = str) -> list[str]:
    """JSON as people read it: a line per field, and long texts as they were written.

    Names and texts are those of graphs: `shown` is what is made of them.
    """
    if isinstance(value, dict) and value:
        lines = []
        for key, each in value.items():
            inner = lines_of(each, indent + "  ", shown=shown)
            if (isinstance(each, dict | list) and each) or len(inner) > 1:
                lines += [f"{indent}{shown(key)}:", *inner]
            else:
                lines.append(f"{indent}{shown(key)}: {inner[0].strip()}")
        return lines
    if isinstance(value, list) and value:
        lines = []
        for each in value:
            first, *others = lines_of(each, indent + "  ", shown=shown)
            lines += [f"{indent}- {first.strip()}", *others]
        return lines
    if isinstance(value, str) and value:
        return [f"{indent}{line}" for line in shown(value).split("\n")]
    return [f"{indent}{shown(json.dumps(value, ensure_ascii=False))}"]


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
