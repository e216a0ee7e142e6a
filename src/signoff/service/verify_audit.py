"""Find out whether the audit is as it was written."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from signoff.audit_key import is_signed
from signoff.db import anchors, audit_scan
from signoff.db.audit import told
from signoff.db.pool import Connection, Database
from signoff.domain.anchor import Tree
from signoff.domain.anchor_check import AnchorCheck
from signoff.domain.audit_check import Anchored, ChainCheck, Finding, Stored
from signoff.domain.errors import CannotDecrypt, ThreadNotFound

MAX_FINDINGS = 1000
"""How many findings a report names; it counts them all."""

Progress = Callable[[int, int], None]
"""Told how many entries were looked at, and how many there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """What is known from elsewhere than the database.

    `keys` are the public keys that anchors are signed with. Where they are known, all that is older
    than `anchored_before` has to be anchored. `noted` are digests of anchors that have to be there,
    by number.
    """

    keys: Set[str] = frozenset()
    anchored_before: datetime | None = None
    noted: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """What was looked at, and what was found: the first of it, and how much in all.

    `unanchored` counts entries that no anchor covers yet.
    """

    entries: int = 0
    threads: int = 0
    anchors: int = 0
    last_anchor: tuple[int, str] | None = None
    unanchored: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)

    def note(self, finding: Finding) -> None:
        """One more finding."""
        self.found += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        last = self.last_anchor
        return {
            "ok": not self.found,
            "entries": self.entries,
            "threads": self.threads,
            "anchors": self.anchors,
            "last_anchor": None if last is None else {"number": last[0], "digest": last[1]},
            "unanchored": self.unanchored,
            "found": self.found,
            "findings": [each.to_json() for each in self.findings],
        }


NOTHING_KNOWN = Trust()


async def verify_audit(
    database: Database,
    *,
    thread_id: str | None = None,
    trust: Trust = NOTHING_KNOWN,
    progress: Progress = lambda _done, _total: None,
) -> Report:
    """Look at every entry and anchor, or at those of one thread, as they stand at this moment.

    Raises:
        ThreadNotFound: There is nothing about the thread.
    """
    report = Report()
    async with audit_scan.snapshot(database) as conn:
        check = await _anchors(conn, thread_id, report, trust)
        last = await anchors.last(conn)
        anchored = Anchored(
            until=0 if last is None else last.until,
            unbelievable=check.unbelievable,
            bases=await anchors.bases(conn, thread_id),
        )
        await _chains(conn, thread_id, report, trust, anchored, progress)
        await _gone(conn, thread_id, report)
    if thread_id is not None and not report.entries and not report.found and not report.anchors:
        raise ThreadNotFound(f"The audit has nothing about a thread {thread_id}.")
    return report


async def _anchors(
    conn: Connection, thread_id: str | None, report: Report, trust: Trust
) -> AnchorCheck:
    check = AnchorCheck(is_signed, trust.keys, gaps=thread_id is not None)
    noted = dict(trust.noted)
    async for anchor, leaves in anchors.every(conn, of=None if thread_id is None else [thread_id]):
        root = Tree([leaf.digest() for leaf in leaves]).root
        for finding in check.see(anchor, root, len(leaves)):
            report.note(finding)
        report.anchors += 1
        report.last_anchor = anchor.number, anchor.digest()
        if noted.get(anchor.number) == anchor.digest():
            del noted[anchor.number]
    for number in () if thread_id is not None else noted:
        message = "it is not the one that was noted"
        report.note(
            Finding(kind="anchor", thread_id=None, seq=None, anchor=number, message=message)
        )
    return check


async def _chains(
    conn: Connection,
    thread_id: str | None,
    report: Report,
    trust: Trust,
    anchored: Anchored,
    progress: Progress,
) -> None:
    threads = None if thread_id is None else [thread_id]
    total = await audit_scan.count(conn, threads)
    check = ChainCheck(anchored)
    async for batch in audit_scan.rows(conn, threads):
        for row in batch:
            for finding in check.see(row):
                report.note(finding)
            if conn.sealer is not None:
                for finding in _unsealed(conn, row):
                    report.note(finding)
        progress(check.entries, total)
    for finding in check.end():
        report.note(finding)
    for head in await audit_scan.heads_alone(conn, thread_id):
        report.note(_missing(head.thread_id, 1, f"all of its {head.seq} entries are gone"))
    report.entries, report.threads, report.unanchored = check.entries, check.threads, check.loose
    since, limit = check.loose_since, trust.anchored_before
    if trust.keys and limit is not None and since is not None and since < limit:
        message = f"since {since.isoformat()}; no worker has had the key, or anchors were removed"
        report.note(Finding(kind="unanchored", thread_id=thread_id, seq=None, message=message))


def _unsealed(conn: Connection, row: Stored) -> list[Finding]:
    """What is wrong with what an entry keeps encrypted; what its text says is looked at before."""
    if row.sealed is None:
        return []
    try:
        told(conn, row.body, row.sealed)
    except CannotDecrypt:
        message = "what it keeps encrypted is not what its text has the digest of"
    except (ValueError, TypeError, LookupError, AttributeError):
        return []
    else:
        return []
    return [Finding(kind="edited", thread_id=row.thread_id, seq=row.seq, message=message)]


async def _gone(conn: Connection, thread_id: str | None, report: Report) -> None:
    """Ends of chains that were signed and are not there, where nothing else has shown it."""
    known = {each.thread_id for each in report.findings if each.kind == "missing"}
    async for each in anchors.gone(conn, thread_id):
        if each.thread_id not in known:
            report.note(
                _missing(
                    each.thread_id,
                    each.seq,
                    f"entries up to {each.seq} were signed and are gone",
                    each.anchor,
                )
            )


def _missing(thread_id: str, seq: int, message: str, anchor: int | None = None) -> Finding:
    return Finding(kind="missing", thread_id=thread_id, seq=seq, message=message, anchor=anchor)
