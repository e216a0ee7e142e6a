"""Find out whether the audit is as it was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from signoff.db import audit_scan
from signoff.db.pool import Connection, Database
from signoff.domain.audit_check import ChainCheck, Finding
from signoff.domain.errors import ThreadNotFound

MAX_FINDINGS = 1000
"""How many findings a report names; it counts them all."""

Progress = Callable[[int, int], None]
"""Told how many entries were looked at, and how many there are."""


@dataclass(slots=True)
class Report:
    """What was looked at, and what was found: the first of it, and how much in all."""

    entries: int = 0
    threads: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)

    def note(self, finding: Finding) -> None:
        """One more finding."""
        self.found += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "ok": not self.found,
            "entries": self.entries,
            "threads": self.threads,
            "found": self.found,
            "findings": [each.to_json() for each in self.findings],
        }


async def verify_audit(
    database: Database,
    *,
    thread_id: str | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Report:
    """Look at every entry, or at those of one thread, as they stand at this moment.

    Raises:
        ThreadNotFound: There is nothing about the thread.
    """
    report = Report()
    async with audit_scan.snapshot(database) as conn:
        await _chains(conn, thread_id, report, progress)
    if thread_id is not None and not report.entries and not report.found:
        raise ThreadNotFound(f"The audit has nothing about a thread {thread_id}.")
    return report


async def _chains(
    conn: Connection, thread_id: str | None, report: Report, progress: Progress
) -> None:
    total = await audit_scan.count(conn, thread_id)
    check = ChainCheck()
    async for batch in audit_scan.rows(conn, thread_id):
        for row in batch:
            for finding in check.see(row):
                report.note(finding)
        progress(check.entries, total)
    for finding in check.end():
        report.note(finding)
    for head in await audit_scan.heads_alone(conn, thread_id):
        report.note(
            Finding(
                kind="missing",
                thread_id=head.thread_id,
                seq=1,
                message=f"all of its {head.seq} entries are gone",
            )
        )
    report.entries, report.threads = check.entries, check.threads
