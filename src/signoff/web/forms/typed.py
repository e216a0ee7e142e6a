"""Values and texts: what was typed as a value, and a value as it is shown."""

from __future__ import annotations

import json
from typing import Any

from signoff.domain.errors import FieldError


class Unreadable(Exception):
    """What was typed as JSON is none."""

    def __init__(self, at: str, message: str) -> None:
        super().__init__(message)
        self.error = FieldError(at, message)


def read_number(typed: str) -> Any:
    """What was typed as a number; as it is, if it is none."""
    for kind in (int, float):
        try:
            value = kind(typed)
        except ValueError:
            continue
        if value == value and value not in (float("inf"), float("-inf")):
            return value
    return typed


def read_moment(typed: str) -> str:
    """A moment with its offset: what browsers send has none, and is in UTC."""
    if len(typed) == len("2026-01-31T09:30"):
        return f"{typed}:00Z"
    return f"{typed}Z" if len(typed) == len("2026-01-31T09:30:00") else typed


def read_json(typed: str, at: str) -> Any:
    """What was typed as JSON at a place.

    Raises:
        Unreadable: It is none.
    """
    try:
        return json.loads(typed, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise Unreadable(at, f"is no JSON: {error}") from error


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def pretty(value: Any) -> str:
    """JSON to be read and changed."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def said(value: Any) -> str:
    """A value in a line: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def label_of(name: str) -> str:
    """A field's name as a label."""
    text = name.replace("_", " ").strip() or name
    return text[:1].upper() + text[1:]
