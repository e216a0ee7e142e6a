"""Audit entries and the chain that binds them.

The chain is computed where the entries are stored (a trigger of the table), so that no path of
the program can write an entry outside it; `link` is the same computation, for verifying.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

GENESIS = "0" * 64
"""What the first entry of a thread is chained to."""

ACCESS = "#access"
"""The chain of what is about no thread, in place of a thread's id, which none has: users, keys and
who signs in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """One transition: what happened to what, who did it and when."""

    event: str
    thread_id: str
    by: str
    at: datetime
    request_id: str | None = None
    run_id: str | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The entry as the JSON object that is hashed."""
        return {
            "event": self.event,
            "thread_id": self.thread_id,
            "by": self.by,
            "at": self.at.isoformat(),
            "request_id": self.request_id,
            "run_id": self.run_id,
            "data": self.data,
        }


def link(previous: str, seq: int, number: int, xact: int, thread_id: str, body: str) -> str:
    """The hash of an entry: SHA-256 over lines with the hash before it, its numbers, its thread,
    and the SHA-256 of its stored text."""
    shown = hashlib.sha256(body.encode()).hexdigest()
    lines = f"{previous}\n{seq}\n{number}\n{xact}\n{thread_id}\n{shown}"
    return hashlib.sha256(lines.encode()).hexdigest()
