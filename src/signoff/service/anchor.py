"""Sign how far every chain of the audit has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from signoff.audit_key import AuditKey
from signoff.db import anchors
from signoff.db.pool import Connection, Database
from signoff.domain.anchor import FIRST, Anchor, Tree


async def anchor_audit(
    database: Database, key: AuditKey, *, at: datetime, every: timedelta = timedelta(0)
) -> list[Anchor]:
    """Write an anchor for all that was added since the last one; none, if nothing was.

    Nor if the last one is younger than `every`, since workers take turns. Several at once where
    there is a lot to be anchored.
    """
    written: list[Anchor] = []
    while True:
        async with database.transaction() as conn:
            await anchors.lock(conn)
            last = await anchors.last(conn)
            if last is not None and not written and last.at > at - every:
                return []
            anchor = await _write(conn, key, last, at)
        if anchor is None:
            return written
        written.append(anchor)


async def forget_audit(database: Database, key: AuditKey, *, before: datetime, at: datetime) -> int:
    """Remove what was anchored before this moment, and sign first that it may be gone; how much.

    Anchors and the heads of chains stay, so that what is left can be verified as ever. So does what
    is about threads that wait for a decision, and everything if this role may remove nothing.
    """
    async with database.transaction() as conn:
        await anchors.lock(conn)
        last = await anchors.last(conn)
        if last is None or not await anchors.can_forget(conn, before):
            return 0
        await _write(conn, key, last, at, forgotten_before=before)
    forgotten = 0
    while True:
        async with database.transaction() as conn:
            removed = await anchors.forget(conn, before)
        if not removed:
            return forgotten
        forgotten += removed


async def _write(
    conn: Connection,
    key: AuditKey,
    last: Anchor | None,
    at: datetime,
    *,
    forgotten_before: datetime | None = None,
) -> Anchor | None:
    growth = await anchors.grown(conn, 0 if last is None else last.until)
    if not growth.leaves and forgotten_before is None:
        return None
    limits = (forgotten_before, None if last is None else last.forgotten_before)
    limit = max((each for each in limits if each is not None), default=None)
    unsigned = Anchor(
        number=1 if last is None else last.number + 1,
        at=at.astimezone(UTC),
        previous=FIRST if last is None else last.digest(),
        root=Tree([leaf.digest() for leaf in growth.leaves]).root,
        chains=len(growth.leaves),
        entries=growth.entries + (0 if last is None else last.entries),
        until=growth.until,
        forgotten_before=None if limit is None else limit.astimezone(UTC),
        public_key=key.public,
    )
    anchor = unsigned.signed(key.sign(unsigned.text()))
    await anchors.insert(conn, anchor, growth.leaves)
    return anchor
