"""Connections: one pool per process, on the schema `signoff` of one database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any, Self

import orjson
from psycopg import AsyncConnection, AsyncCursor
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import OperationalError, UniqueViolation
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from signoff.domain.errors import DatabaseUnreachable

SCHEMA = "signoff"
"""Where all tables live, so that a database with tables of its own can host them."""

Connection = AsyncConnection[DictRow]
Cursor = AsyncCursor[DictRow]


__all__ = [
    "SCHEMA",
    "Connection",
    "Cursor",
    "Database",
    "Json",
    "UniqueViolation",
    "conninfo",
    "won",
]


class Json(Jsonb):
    """A value for a ``jsonb`` column."""

    def __init__(self, value: Any) -> None:
        super().__init__(value, dumps=orjson.dumps)


def conninfo(url: str, instance: str) -> str:
    """`url` with the search path set to the schema, and sessions named after this `instance`.

    Raises:
        DatabaseUnreachable: It is no PostgreSQL URL or connection string.
    """
    try:
        parts = conninfo_to_dict(url)
    except Exception as error:
        raise DatabaseUnreachable(f"not a PostgreSQL address: {error}") from error
    options = f"{parts.get('options') or ''} -c search_path={SCHEMA} -c timezone=UTC".strip()
    return make_conninfo(url, options=options, application_name=f"signoff {instance}")


class Database:
    """A pool of connections in autocommit; `transaction` is the one way to group statements.

    `instance` is this process's name in the database. Statements are not pipelined: on a local
    socket psycopg's pipeline costs five times the processor time of plain statements.
    """

    def __init__(self, url: str, *, max_connections: int = 12) -> None:
        self.instance = token_hex(6)
        self.conninfo = conninfo(url, self.instance)
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self.conninfo,
            min_size=min(2, max_connections),
            max_size=max_connections,
            open=False,
            kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
            check=None,
            name="signoff",
        )

    async def __aenter__(self) -> Self:
        try:
            await self.pool.open(wait=True, timeout=30)
        except (PoolTimeout, OperationalError) as error:
            await self.pool.close()
            raise DatabaseUnreachable(f"the database does not answer: {error}") from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection on which each statement is a transaction of its own."""
        async with self.pool.connection() as conn:
            yield conn

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one transaction, committed at the end and rolled back on an error."""
        async with self.pool.connection() as conn, conn.transaction():
            yield conn

    async def connect(self) -> Connection:
        """A connection outside the pool, for listening and for locks that outlive a statement."""
        return await AsyncConnection.connect(self.conninfo, autocommit=True, row_factory=dict_row)


async def won(cursor: Cursor) -> bool:
    """Whether a statement that names the state it expects has changed its row.

    It ends in RETURNING: inside a pipeline there is no row count until something is read.
    """
    return await cursor.fetchone() is not None
