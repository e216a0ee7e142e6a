"""Find what was changed in the audit: rows in the order of their chains, held against each other.

Each finding names a row. What was done to one row is not blamed on those that follow it: they are
chained to the hash that it has, or to the one that it ought to have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from signoff.domain.anchor import Leaf
from signoff.domain.audit import GENESIS, link


class Stored(NamedTuple):
    """A row of the audit as it is stored, with the head of its chain.

    If an anchor says that its chain came just that far, with its number and the hash that it says.
    """

    thread_id: str
    seq: int
    number: int
    xact: int
    request_id: str | None
    event: str
    at: datetime
    body: str
    hash: str
    head_seq: int | None
    head_hash: str | None
    anchor: int | None = None
    anchored: str | None = None
    sealed: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that is not as it was written. `kind` is of ``KINDS``.

    `seq` is the number of an entry in the chain of its thread, `anchor` that of an anchor.
    """

    kind: str
    thread_id: str | None
    seq: int | None
    message: str
    anchor: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "kind": self.kind,
            "thread_id": self.thread_id,
            "seq": self.seq,
            "anchor": self.anchor,
            "message": self.message,
        }


KINDS = {
    "edited": "the row does not say what was written",
    "missing": "entries were taken out",
    "unexpected": "a row stands where none was written",
    "head": "the head of the chain is not that of its last entry",
    "rewritten": "the chain was computed anew after it was signed",
    "anchor": "the anchor is not one that was signed here",
    "unanchored": "no anchor covers what one should",
}
"""What is found, in a word."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchored:
    """What the anchors say: which transactions they cover, those `until` this one; which of them
    are not to be believed; and from which leaves on chains go on whose beginning was forgotten."""

    until: int = 0
    unbelievable: Set[int] = frozenset()
    bases: Mapping[str, Leaf] = field(default_factory=dict)


class ChainCheck:
    """Follows chains row by row, one thread after the other.

    `entries` and `threads` count what was seen; `loose` the entries that no anchor covers yet, the
    oldest of them of `loose_since`.
    """

    def __init__(self, anchored: Anchored) -> None:
        self.entries = 0
        self.threads = 0
        self.loose = 0
        self.loose_since: datetime | None = None
        self._anchored = anchored
        self._last: Stored | None = None
        self._after = 0
        self._sound = True
        self._previous: tuple[str, ...] = ()
        self._behind: list[Stored] = []

    def see(self, row: Stored) -> Iterator[Finding]:
        """What is wrong with the next row, and with what should have come before it."""
        if self._last is None or self._last.thread_id != row.thread_id:
            yield from self.end()
            self.threads += 1
            base = self._anchored.bases.get(row.thread_id)
            self._after, previous = (0, GENESIS) if base is None else (base.seq, base.hash)
            self._previous = (previous,)
        self.entries += 1
        self._last = row
        if row.seq <= self._after:
            yield _finding("unexpected", row, "no entry has such a number")
            return
        if row.seq > self._after + 1:
            yield _missing(row.thread_id, self._after + 1, row.seq - 1)
            self._previous = ()
        self._after = row.seq
        yield from self._see(row)

    def _see(self, row: Stored) -> Iterator[Finding]:
        wrong = _columns(row)
        computed = [
            link(each, row.seq, row.number, row.xact, row.thread_id, row.body)
            for each in self._previous
        ]
        if computed and row.hash not in computed:
            wrong.append("its hash is not that of its content and of the entry before it")
        self._sound = not wrong
        self._previous = (row.hash, *(each for each in computed if each != row.hash))
        self._behind.append(row)
        if row.anchor is not None:
            self._behind.clear()
        if row.head_seq is not None and row.seq > row.head_seq:
            yield _finding("unexpected", row, f"its chain ends with {row.head_seq}")
        elif wrong:
            yield _finding("edited", row, "; ".join(wrong))
        elif (
            row.anchor is not None
            and row.anchor not in self._anchored.unbelievable
            and row.hash != row.anchored
        ):
            yield _finding("rewritten", row, "another hash was signed", row.anchor)

    def end(self) -> Iterator[Finding]:
        """What is wrong with the end of the last thread."""
        last, self._last = self._last, None
        if last is None:
            return
        if last.head_seq is None:
            yield _finding("head", last, "its chain has no head")
        elif self._after < last.head_seq:
            yield _missing(last.thread_id, self._after + 1, last.head_seq)
        elif last.seq == last.head_seq and self._sound and last.hash != last.head_hash:
            yield _finding("head", last, "the head of its chain has another hash")
        yield from self._end_of_anchored()

    def _end_of_anchored(self) -> Iterator[Finding]:
        """What came behind all that is anchored may not be older than that."""
        behind, self._behind = self._behind, []
        for row in behind:
            if row.xact < self._anchored.until:
                yield _finding("unexpected", row, "it was not there when its time was signed")
            else:
                self.loose += 1
                self.loose_since = min(row.at, self.loose_since or row.at)


def _columns(row: Stored) -> list[str]:
    """Which columns do not say what the text of the entry says."""
    try:
        body = json.loads(row.body)
        said = (
            ("thread_id", row.thread_id, body["thread_id"]),
            ("request_id", row.request_id, body["request_id"]),
            ("event", row.event, body["event"]),
            ("at", row.at, datetime.fromisoformat(body["at"])),
            ("sealed", row.sealed is not None, body.get("sealed") is not None),
        )
    except (ValueError, TypeError, LookupError, RecursionError):
        return ["its text is no entry"]
    return [
        f"its column {name} is not what its text says"
        for name, column, text in said
        if column != text
    ]


def _finding(kind: str, row: Stored, message: str, anchor: int | None = None) -> Finding:
    return Finding(kind=kind, thread_id=row.thread_id, seq=row.seq, message=message, anchor=anchor)


def _missing(thread_id: str, first: int, last: int) -> Finding:
    which = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    return Finding(kind="missing", thread_id=thread_id, seq=first, message=f"{which} gone")
