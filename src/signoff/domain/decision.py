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
    """A ballot that was counted, with who cast it and when."""

    by: str
    action: str
    values: dict[str, Any]
    note: str | None
    at: datetime

    def repeats(self, ballot: Ballot, *, by: str) -> bool:
        """Whether `ballot` says nothing that this vote has not said already."""
        return (self.by, self.action, self.values, self.note) == (
            by,
            ballot.action,
            ballot.values,
            ballot.note,
        )

    def to_json(self) -> dict[str, Any]:
        """The vote as users and graphs see it."""
        return {
            "by": self.by,
            "action": self.action,
            "values": self.values,
            "note": self.note,
            "at": self.at.isoformat(),
        }


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
