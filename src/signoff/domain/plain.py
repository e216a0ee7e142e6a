"""What a program gives a graph, as JSON: messages, models and tuples by what they hold."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from signoff.domain.jsontext import MAX_DEPTH


def plain(value: Any) -> Any:
    """A value with messages, models (anything with `model_dump`) and dataclasses as objects, and
    tuples as lists, all the way down. What else is no JSON stays as it is, for `check` to refuse.
    """
    return _Plain().of(value, 0)


class _Plain:
    """One conversion; what occurs more than once is converted once."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[Any, Any]] = {}

    def of(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, str | int | float) or depth > MAX_DEPTH:
            return value
        if id(value) not in self._done:
            self._done[id(value)] = value, value  # inside of itself it stays, and is refused
            self._done[id(value)] = value, self._convert(value, depth + 1)
        return self._done[id(value)][1]

    def _convert(self, value: Any, depth: int) -> Any:
        if isinstance(value, list | tuple):
            return [self.of(item, depth) for item in value]
        if isinstance(value, dict):
            return {key: self.of(item, depth) for key, item in value.items()}
        if isinstance(value, type):
            return value
        if hasattr(value, "model_dump"):
            return value.model_dump(mode="json")
        if is_dataclass(value):
            return {each.name: self.of(getattr(value, each.name), depth) for each in fields(value)}
        return value
