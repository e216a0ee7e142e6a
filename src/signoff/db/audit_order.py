"""The order of all entries of the audit goes on where a dump is restored on another server.

Readers go by the numbers of transactions, which stand in the chain and cannot be changed. A new
server counts from its own; what it writes would come before what was there, and not be read by
whoever has read that. So `audit_offset()` is added to its numbers: enough for all of them to be
behind. Places from before, such as a `Last-Event-ID`, are as good as ever.
"""

from __future__ import annotations

from psycopg import sql

from signoff.db.pool import SCHEMA, Connection

_NEWEST = """
    greatest((SELECT xact::text::bigint + 1 FROM audit ORDER BY xact DESC, number DESC LIMIT 1),
             (SELECT max(xact::text::bigint) FROM fan_out),
             (SELECT until FROM audit_anchors ORDER BY number DESC LIMIT 1))
"""
"""The first number behind all that is written, told or anchored."""


async def is_behind(conn: Connection) -> bool:
    """Whether this server would write entries that come before some that are there."""
    cursor = await conn.execute(
        f"""
        SELECT {_NEWEST} > pg_snapshot_xmax(pg_current_snapshot())::text::bigint + audit_offset()
            AS behind
        """.encode()
    )
    row = await cursor.fetchone()
    return row is not None and bool(row["behind"])


async def catch_up(conn: Connection) -> bool:
    """Have all that this server writes from now on come behind what is there; False, and nothing
    is changed, if it does already. Only the owner can.

    What people are to be told is gone over once more, in case that somebody wrote meanwhile.
    """
    if not await is_behind(conn):
        return False
    await conn.execute("LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE")
    # Transactions that are under way may still write: they are behind, too.
    cursor = await conn.execute(
        f"""
        SELECT {_NEWEST} - pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS offset
        """.encode()
    )
    row = await cursor.fetchone()
    assert row is not None, "a SELECT without FROM has a row"
    await conn.execute(
        sql.SQL(
            "CREATE OR REPLACE FUNCTION {}() RETURNS bigint LANGUAGE sql STABLE"
            " AS 'SELECT {}::bigint'"
        ).format(sql.Identifier(SCHEMA, "audit_offset"), sql.SQL(str(int(row["offset"]))))
    )
    await conn.execute("UPDATE fan_out SET xact = '0', number = 0")
    return True
