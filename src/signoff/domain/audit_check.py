"""Find what was changed in the audit: rows in the order of their chains, held against each other.

Each finding names a row. What was done to one row is not blamed on those that follow it: they are
chained to the hash that it has, or to the one that it ought to have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from signoff.domain.audit import GENESIS, link


class Stored(NamedTuple):
    """A row of the audit as it is stored, with the head of its chain."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that is not as it was written. `kind` is of ``KINDS``; `seq` the entry's number."""

    kind: str
    thread_id: str | None
    seq: int | None
    message: str

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "kind": self.kind,
            "thread_id": self.thread_id,
            "seq": self.seq,
            "message": self.message,
        }


KINDS = {
    "edited": "the row does not say what was written",
    "missing": "entries were taken out",
    "unexpected": "a row stands where none was written",
    "head": "the head of the chain is not that of its last entry",
}
"""What is found, in a word."""


class ChainCheck:
    """Follows chains row by row, one thread after the other.

    `entries` and `threads` count what was seen.
    """

    def __init__(self) -> None:
        self.entries = 0
        self.threads = 0
        self._last: Stored | None = None
        self._after = 0
        self._sound = True
        self._previous: tuple[str, ...] = ()

    def see(self, row: Stored) -> Iterator[Finding]:
        """What is wrong with the next row, and with what should have come before it."""
        if self._last is None or self._last.thread_id != row.thread_id:
            yield from self.end()
            self.threads += 1
            self._after = 0
            self._previous = (GENESIS,)
        self.entries += 1
        self._last = row
        if row.seq < 1:
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
        if row.head_seq is not None and row.seq > row.head_seq:
            yield _finding("unexpected", row, f"its chain ends with {row.head_seq}")
        elif wrong:
            yield _finding("edited", row, "; ".join(wrong))

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


def _columns(row: Stored) -> list[str]:
    """Which columns do not say what the text of the entry says."""
    try:
        body = json.loads(row.body)
        said = (
            ("thread_id", row.thread_id, body["thread_id"]),
            ("request_id", row.request_id, body["request_id"]),
            ("event", row.event, body["event"]),
            ("at", row.at, datetime.fromisoformat(body["at"])),
        )
    except (ValueError, TypeError, LookupError, RecursionError):
        return ["its text is no entry"]
    return [
        f"its column {name} is not what its text says"
        for name, column, text in said
        if column != text
    ]


def _finding(kind: str, row: Stored, message: str) -> Finding:
    return Finding(kind=kind, thread_id=row.thread_id, seq=row.seq, message=message)


def _missing(thread_id: str, first: int, last: int) -> Finding:
    which = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    return Finding(kind="missing", thread_id=thread_id, seq=first, message=f"{which} gone")
