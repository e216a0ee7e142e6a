"""Audit entries and the chain that binds them.

The chain is computed where the entries are stored (a trigger of the table), so that no path of
the program can write an entry outside it; `link` is the same computation, for verifying.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from signoff.domain.request import Request

GENESIS = "0" * 64
"""What the first entry of a thread is chained to."""

ACCESS = "#access"
"""The chain of what is about no thread, in place of a thread's id, which none has: users, keys and
who signs in."""

POLICIES = "#policies"
"""The chain of what policies hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """One transition: what happened to what, who did it and when.

    `method` is how it was known who did it, where that was found out. `before` and `after` are what
    has changed of a request or of a policy, `digest` that of what was shown, and `checkpoints` the
    ids of the thread's checkpoint before and after.
    """

    event: str
    thread_id: str
    by: str
    at: datetime
    request_id: str | None = None
    run_id: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    method: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    digest: str | None = None
    checkpoints: tuple[str | None, str | None] | None = None

    def body(self) -> dict[str, Any]:
        """The entry as the JSON object that is hashed; what is not known is not in it."""
        body: dict[str, Any] = {
            "event": self.event,
            "thread_id": self.thread_id,
            "by": self.by,
            "at": self.at.isoformat(),
            "request_id": self.request_id,
            "run_id": self.run_id,
            "data": self.data,
        }
        if self.method is not None:
            body["method"] = self.method
        if self.digest is not None:
            body["digest"] = self.digest
        if self.before is not None or self.after is not None:
            body |= {"before": self.before, "after": self.after}
        if self.checkpoints is not None:
            body["checkpoint_before"], body["checkpoint_after"] = self.checkpoints
        return body


SOMETIMES = ("method", "digest", "before", "after", "checkpoint_before", "checkpoint_after")
"""Fields that not every entry has."""


def of_request(
    event: str,
    before: Request,
    after: Request,
    *,
    by: str,
    at: datetime,
    method: str | None = None,
    run_id: str | None = None,
    data: dict[str, Any] | None = None,
) -> AuditEntry:
    """An entry on what became of a request; its thread stays at the checkpoint where it asked."""
    old, new = changes(before, after)
    return AuditEntry(
        event=event,
        thread_id=before.thread_id,
        by=by,
        at=at,
        request_id=before.id,
        run_id=run_id,
        data=data or {},
        method=method,
        before=old,
        after=new,
        digest=before.digest,
        checkpoints=(before.checkpoint_id, before.checkpoint_id),
    )


def changes(before: Request, after: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of a request is no longer as it was, as it was and as it is."""
    old, new = {}, {}
    for name, (part, shown) in _PARTS.items():
        was, now = part(before), part(after)
        if was != now:
            old[name], new[name] = shown(was), shown(now)
    return old, new


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


_PARTS: dict[str, tuple[Callable[[Request], Any], Callable[[Any], Any]]] = {
    "state": (attrgetter("state"), attrgetter("value")),
    "delivery": (attrgetter("delivery"), attrgetter("value")),
    "votes": (lambda request: len(request.votes), int),
    "priority": (attrgetter("priority"), str),
    "claimed_by": (attrgetter("claimed_by"), lambda name: name),
    "audience": (attrgetter("audience"), list),
    "deadline": (attrgetter("deadline"), _time),
    "policy": (attrgetter("policy"), lambda policy: policy.to_json()),
}
"""What may change of a request: how to get it, and how to write it down."""


def link(previous: str, seq: int, number: int, xact: int, thread_id: str, body: str) -> str:
    """The hash of an entry: SHA-256 over lines with the hash before it, its numbers, its thread,
    and the SHA-256 of its stored text."""
    shown = hashlib.sha256(body.encode()).hexdigest()
    lines = f"{previous}\n{seq}\n{number}\n{xact}\n{thread_id}\n{shown}"
    return hashlib.sha256(lines.encode()).hexdigest()
