"""Have the audit say what policies hold, and what held before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from signoff.db import audit
from signoff.db.pool import Database
from signoff.domain.audit import POLICIES, AuditEntry
from signoff.domain.principal import SYSTEM
from signoff.policies.book import PolicyBook


async def note_policies(database: Database, book: PolicyBook, *, at: datetime) -> bool:
    """Add an entry if other policies hold than the audit has last told of; whether it was added.

    Each process of a desk does so, and the first of them tells.
    """
    now = policies_json(book)
    async with database.transaction() as conn:
        await audit.take_turns(conn, POLICIES)
        last = await audit.newest(conn, POLICIES)
        before = [] if last is None else last["after"]["rules"]
        if now == before:
            return False
        entry = AuditEntry(
            event="policies.changed",
            thread_id=POLICIES,
            by=SYSTEM,
            at=at,
            before={"rules": before},
            after={"rules": now},
        )
        await audit.append(conn, entry)
    return True


def policies_json(book: PolicyBook) -> list[dict[str, Any]]:
    """What a book says of requests, wherever in its file that stands."""
    return [
        {"when": dict(rule.conditions), "policy": _without_sources(rule.policy.to_json())}
        for rule in book.rules
    ]


def _without_sources(policy: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in policy.items() if name != "sources"}
