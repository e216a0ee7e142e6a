"""What changed between two versions of what is shown, or of what is answered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup, escape

from signoff.speech import number
from signoff.text import visible

MAX_LINES = 4000
MAX_WORDS = 1500
MAX_PLACES = 3000
MAX_CHANGES = 200
AROUND = 2
"""Lines shown around a change."""

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Part:
    """Some words of a line: new, gone, or neither."""

    text: Markup
    sign: str = " "


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text: new (`+`), gone (`-`), as before (` `); or `…` for some left out."""

    sign: str
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Change:
    """What differs at one place; `place` is how it is called, empty for the whole."""

    place: Markup
    kind: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two values, and how much of it is not shown."""

    changes: list[Change]
    left: int = 0


def changes(before: Any, after: Any) -> Changes:
    """What differs between two JSON values, place by place, in the order of what is there now."""
    old, new = dict(_places(before, ())), dict(_places(after, ()))
    places = list(dict.fromkeys([*new, *old]))
    differing = [place for place in places if old.get(place) != new.get(place)]
    found = [_change(place, old.get(place), new.get(place)) for place in differing[:MAX_CHANGES]]
    return Changes(found, len(differing) - len(found))


def words(before: str, after: str) -> list[Part]:
    """Two lines as one, with the words that are gone and new."""
    one, other = _WORDS.findall(before), _WORDS.findall(after)
    if len(one) > MAX_WORDS or len(other) > MAX_WORDS:
        return [Part(visible(before), "-"), Part(visible(after), "+")]
    parts = []
    for tag, i, j, k, m in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag == "equal":
            parts.append(Part(visible("".join(one[i:j]))))
            continue
        if j > i:
            parts.append(Part(visible("".join(one[i:j])), "-"))
        if m > k:
            parts.append(Part(visible("".join(other[k:m])), "+"))
    return parts


def _places(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """All leaves of a value as texts, by where they are."""
    pending: list[tuple[Any, tuple[str, ...]]] = [(value, path)]
    given = 0
    while pending and given < MAX_PLACES:
        value, path = pending.pop()
        if isinstance(value, dict) and value:
            pending += [(each, (*path, name)) for name, each in reversed(value.items())]
        elif isinstance(value, list) and value:
            if all(isinstance(each, str | int | float | bool | None) for each in value):
                given += 1
                yield path, "\n".join(map(_leaf, value))
                continue
            numbered = list(enumerate(value, 1))
            pending += [(each, (*path, str(n))) for n, each in reversed(numbered)]
        else:
            given += 1
            yield path, _leaf(value)


def _leaf(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _change(place: tuple[str, ...], old: str | None, new: str | None) -> Change:
    kind = "new" if old is None else "gone" if new is None else "changed"
    return Change(visible(" › ".join(place)), kind, _lines(old, new))  # noqa: RUF001


def _lines(old: str | None, new: str | None) -> list[Line]:
    before = [] if old is None else old.splitlines() or [""]
    after = [] if new is None else new.splitlines() or [""]
    if len(before) > MAX_LINES or len(after) > MAX_LINES:
        said = f"{len(before):,} lines before, {len(after):,} now: too many to compare here"
        return [Line("…", [Part(visible(said))])]
    if len(before) == len(after) == 1 and len(before[0]) + len(after[0]) < 400:
        return [Line("~", words(before[0], after[0]))]
    return list(_compared(before, after))


def _compared(before: Sequence[str], after: Sequence[str]) -> Iterator[Line]:
    matcher = SequenceMatcher(None, before, after, autojunk=len(before) + len(after) > 2000)
    end = 0
    for group in matcher.get_grouped_opcodes(AROUND):
        if (left := group[0][1] - end) > 0:
            yield _omitted(left)
        for tag, i, j, k, m in group:
            if tag == "equal":
                yield from (Line(" ", [Part(visible(line))]) for line in before[i:j])
            else:
                yield from _replaced(before[i:j], after[k:m])
        end = group[-1][2]
    if (left := len(before) - end) > 0 and end:
        yield _omitted(left)


def _omitted(count: int) -> Line:
    return Line("…", [Part(escape(f"{number(count, 'line')} as before"))])


def _replaced(gone: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    if len(gone) == len(new):
        for old, now in zip(gone, new, strict=True):
            parts = words(old, now)
            yield Line("-", [part for part in parts if part.sign != "+"])
            yield Line("+", [part for part in parts if part.sign != "-"])
        return
    yield from (Line("-", [Part(visible(line))]) for line in gone)
    yield from (Line("+", [Part(visible(line))]) for line in new)
