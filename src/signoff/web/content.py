"""JSON as people read it: texts, names and values, tables, lists, messages, calls of tools.

A large value is shown in part; whoever makes the page says where the whole can be had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from markupsafe import Markup

from signoff.speech import number
from signoff.text import is_markdown, markdown, visible

MAX_NODES = 1500
"""Values shown of one section."""

MAX_TEXT = 100_000
"""Characters shown of one text."""

MAX_TEXTS = 400_000
"""Characters shown of all texts of one section."""

MAX_SIBLINGS = 200
"""Fields, items or rows shown of one value."""

BLOCK = 120
"""Texts of more characters stand by themselves, below their name."""

OPEN_DEPTH = 2
"""Values nested deeper are folded."""

MESSAGES = {"human", "ai", "system", "tool", "user", "assistant", "function", "developer"}


@dataclass(frozen=True, slots=True)
class Words:
    """A text; `rendered` where it is Markdown. `cut` counts the characters that are left out."""

    text: Markup
    rendered: Markup | None
    block: bool
    cut: int = 0
    as_: str = field(default="words", init=False)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number, a truth value, or nothing."""

    text: str
    block: bool = field(default=False, init=False)
    as_: str = field(default="scalar", init=False)


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object: names and values."""

    pairs: list[tuple[Markup, Node]]
    cut: int
    folded: bool
    summary: str
    block: bool = True
    as_: str = field(default="pairs", init=False)


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: list[Node]
    cut: int
    folded: bool
    summary: str
    block: bool = True
    as_: str = field(default="items", init=False)


@dataclass(frozen=True, slots=True)
class Table:
    """Objects that all have the same few fields, with short values."""

    columns: list[Markup]
    rows: list[list[Node]]
    cut: int
    block: bool = True
    as_: str = field(default="table", init=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool."""

    name: Markup
    args: Node
    as_: str = field(default="call", init=False)


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody said in a chat, and the tools that they called with it."""

    role: Markup
    said: Node | None
    calls: list[Call]


@dataclass(frozen=True, slots=True)
class Chat:
    """The messages of a chat."""

    messages: list[Message]
    cut: int
    block: bool = True
    as_: str = field(default="chat", init=False)


Node: TypeAlias = Words | Scalar | Pairs | Items | Table | Chat


def shown(value: Any) -> Node:
    """A JSON value as it is shown."""
    return _Reader().node(value, 0)


class _Reader:
    def __init__(self) -> None:
        self._nodes = 0
        self._texts = 0

    def node(self, value: Any, depth: int) -> Node:
        self._nodes += 1
        if isinstance(value, str):
            return self._words(value)
        if isinstance(value, Mapping):
            return self._pairs(value, depth)
        if isinstance(value, list):
            if _is_chat(value):
                return self._chat(value, depth)
            if _is_table(value):
                return self._table(value, depth)
            return self._items(value, depth)
        return Scalar(json.dumps(value))

    def _words(self, text: str) -> Words:
        kept = text[: max(0, min(MAX_TEXT, MAX_TEXTS - self._texts))]
        self._texts += len(kept)
        rendered = markdown(kept) if is_markdown(kept) else None
        block = rendered is not None or len(text) > BLOCK or "\n" in text
        return Words(visible(kept), rendered, block, len(text) - len(kept))

    def _room(self, wanted: int) -> int:
        """How many of so many values are shown."""
        return max(0, min(wanted, MAX_SIBLINGS, MAX_NODES - self._nodes))

    def _pairs(self, value: Mapping[str, Any], depth: int) -> Pairs:
        pairs: list[tuple[Markup, Node]] = []
        for name, each in value.items():
            if not self._room(len(value) - len(pairs)) or len(pairs) >= MAX_SIBLINGS:
                break
            pairs.append((visible(name[:300]), self.node(each, depth + 1)))
        return Pairs(
            pairs, len(value) - len(pairs), depth > OPEN_DEPTH, number(len(value), "field")
        )

    def _items(self, value: Sequence[Any], depth: int) -> Items:
        items: list[Node] = []
        for each in value:
            if not self._room(len(value) - len(items)) or len(items) >= MAX_SIBLINGS:
                break
            items.append(self.node(each, depth + 1))
        return Items(items, len(value) - len(items), depth > OPEN_DEPTH, number(len(value), "item"))

    def _table(self, value: Sequence[Mapping[str, Any]], depth: int) -> Table:
        names = list(dict.fromkeys(name for row in value[:MAX_SIBLINGS] for name in row))
        kept = value[: max(1, self._room(len(value) * len(names)) // len(names))]
        rows = [
            [self.node(row[name], depth + 1) if name in row else Scalar("") for name in names]
            for row in kept
        ]
        return Table([visible(name) for name in names], rows, len(value) - len(kept))

    def _chat(self, value: Sequence[Mapping[str, Any]], depth: int) -> Chat:
        messages: list[Message] = []
        for each in value:
            if not self._room(1) or len(messages) >= MAX_SIBLINGS:
                break
            calls = [call for call in each.get("tool_calls") or () if _is_call(call)]
            messages.append(
                Message(
                    visible(each.get("name") or each.get("role") or each.get("type")),
                    self.node(each["content"], depth + 1) if each["content"] else None,
                    [
                        Call(visible(call["name"]), self.node(call["args"], depth + 1))
                        for call in calls[:50]
                    ],
                )
            )
        return Chat(messages, len(value) - len(messages))


def _is_chat(value: Sequence[Any]) -> bool:
    return bool(value) and all(
        isinstance(each, dict)
        and "content" in each
        and isinstance(who := each.get("role", each.get("type")), str)
        and who in MESSAGES
        for each in value
    )


def _is_call(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("args"), dict)
    )


def _is_table(value: Sequence[Any]) -> bool:
    if len(value) < 2 or not all(isinstance(each, dict) and each for each in value):
        return False
    names = {name for row in value[:MAX_SIBLINGS] for name in row}
    return len(names) <= 8 and all(
        len(row) >= len(names) - 2 and all(_is_short(part) for part in row.values())
        for row in value[:MAX_SIBLINGS]
    )


def _is_short(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= BLOCK and "\n" not in value
    return not isinstance(value, dict | list)
