"""One reviewer's vote, and what closed a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Ballot:
    """What a reviewer sends: an action, the values it asks for, a note.

    ``digest`` is the digest of the question that the reviewer saw; None does not check it.
    """

    action: str
    values: dict[str, Any] = field(default_factory=dict)
    note: str | None = None
    digest: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """A ballot that was counted, with who cast it and when.

    ``on_behalf_of`` is the user with whose right it was cast, where that is not the voter's own.
    """

    by: str
    action: str
    values: dict[str, Any]
    note: str | None
    at: datetime
    on_behalf_of: str | None = None

    @property
    def right(self) -> str:
        """Whose right it was cast with; each counts once."""
        return self.on_behalf_of or self.by

    def agrees_with(self, other: Vote) -> bool:
        """Whether both are for the same action with equal values, and so count together."""
        return self.action == other.action and _same(self.values, other.values)

    def repeats(self, ballot: Ballot, *, by: str) -> bool:
        """Whether `ballot` says nothing that this vote has not said already."""
        return (self.by, self.action, self.note) == (by, ballot.action, ballot.note) and _same(
            self.values, ballot.values
        )

    def to_json(self) -> dict[str, Any]:
        """The vote as users and graphs see it; ``on_behalf_of`` only where there is somebody."""
        vote = {
            "by": self.by,
            "action": self.action,
            "values": self.values,
            "note": self.note,
            "at": self.at.isoformat(),
        }
        return vote | {"on_behalf_of": self.on_behalf_of} if self.on_behalf_of else vote


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What closed a request, and is delivered to the graph."""

    action: str
    values: dict[str, Any]
    note: str | None
    by: str
    at: datetime
    timed_out: bool = False
    escalated: bool = False

    def to_json(self) -> dict[str, Any]:
        """The outcome as users see it and as it is stored."""
        return {
            "action": self.action,
            "values": self.values,
            "note": self.note,
            "by": self.by,
            "at": self.at.isoformat(),
            "timed_out": self.timed_out,
            "escalated": self.escalated,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Outcome:
        """The outcome that `to_json` wrote."""
        return cls(**{**data, "at": datetime.fromisoformat(data["at"])})


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal. To Python true and 1 are; a reviewer would disagree."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
