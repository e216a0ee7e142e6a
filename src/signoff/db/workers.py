"""The processes that hold threads, and whether they are alive."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

import psycopg

from signoff.db.pool import Connection


async def register(conn: Connection, instance: str, lease: timedelta) -> int:
    """A new worker, alive for `lease` from now on the database's clock."""
    cursor = await conn.execute(
        "INSERT INTO workers (instance, alive_until) VALUES (%s, now() + %s) RETURNING id",
        (instance, lease),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row["id"])


class Renewal:
    """Keeps one worker alive, over a blocking connection of its own."""

    def __init__(self, conninfo: str, worker: int, lease: timedelta) -> None:
        self._conninfo = conninfo
        self._worker = worker
        self._lease = lease
        self._conn: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._conn is not None:
            self._conn.close()

    def renew(self) -> bool | None:
        """Live on for a lease from now; False if found dead and removed, None if out of reach."""
        try:
            if self._conn is None or self._conn.closed:
                self._conn = psycopg.connect(self._conninfo, autocommit=True, connect_timeout=5)
            cursor = self._conn.execute(
                "UPDATE workers SET alive_until = now() + %s WHERE id = %s",
                (self._lease, self._worker),
            )
        except psycopg.Error:
            return None
        return cursor.rowcount == 1


async def lock_dead(conn: Connection, *, but: int | None) -> dict[int, str]:
    """The workers that stopped renewing, as id and instance, locked until the transaction ends.

    Except one of which the caller knows better.
    """
    cursor = await conn.execute(
        """
        SELECT id, instance FROM workers
         WHERE alive_until < now() AND id IS DISTINCT FROM %s FOR UPDATE SKIP LOCKED
        """,
        (but,),
    )
    return {row["id"]: row["instance"] async for row in cursor}


async def disconnect(conn: Connection, instances: list[str]) -> None:
    """End the database sessions of processes that are stopped in the middle of something.

    Their transactions roll back and their locks are free. A process that has come to itself since
    then, and works under another id, is left alone.
    """
    await conn.execute(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND usename = current_user
           AND application_name = ANY(%s) AND pid <> pg_backend_pid()
           AND NOT EXISTS (SELECT 1 FROM workers
                            WHERE 'signoff ' || instance = application_name
                              AND alive_until >= now())
        """,
        ([f"signoff {instance}" for instance in instances],),
    )


async def remove(conn: Connection, ids: list[int]) -> None:
    """Forget workers that hold no thread any more."""
    await conn.execute(
        """
        DELETE FROM workers WHERE id = ANY(%s)
           AND NOT EXISTS (SELECT 1 FROM threads WHERE leased_by = workers.id)
        """,
        (ids,),
    )
