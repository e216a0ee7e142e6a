"""Connections: one pool per process, on the schema `signoff` of one database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Self

import orjson
from psycopg import AsyncConnection, AsyncCursor
from psycopg import Error as DriverError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import InsufficientPrivilege, OperationalError, UniqueViolation
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Json as PlainJson
from psycopg.types.json import Jsonb, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from signoff.db.sealed import Sealer
from signoff.domain.errors import DatabaseUnreachable, RightsMissing
from signoff.log import get_logger

SCHEMA = "signoff"
"""Where all tables live, so that a database with tables of its own can host them."""

PATIENCE = 30.0
"""Seconds that a process which starts waits for the database to answer."""

CONNECT_TIMEOUT = 10
"""Seconds for one attempt, unless the database's address says otherwise."""

log = get_logger(__name__)

SESSION = " ".join(
    f"-c {setting}"
    for setting in (
        f"search_path={SCHEMA}",
        "timezone=UTC",
        "datestyle=ISO",
        "client_encoding=UTF8",
        r"default_transaction_isolation=read\ committed",
        "default_transaction_read_only=off",
        "enable_seqscan=off",
    )
)
"""Settings of our sessions, whatever those of a database or of a role are that is also somebody
else's. Every statement has an index to go by; while tables are small and young, the planner would
rather scan them, and prepared plans outlive that."""

BY_KEY = "-c plan_cache_mode=force_generic_plan -c enable_hashjoin=off -c enable_mergejoin=off"
"""Settings of the few connections that a process writes and looks up by keys on. Statements have
one plan each, since planning them anew takes longer than they do. It is made for the 100 rows that
PostgreSQL expects of any JSON, and there are a few: so each row is looked up by its key."""


class Connection(AsyncConnection[DictRow]):
    """A connection, and what rows are sealed with on their way through it, if they are."""

    sealer: Sealer | None = None


Cursor = AsyncCursor[DictRow]

KEY_LOCKS, KEYLESS = 0x51607, 0
"""Advisory locks that each connection shares: on the key that it seals with, or on there being
none. So nobody forgets a key, or begins to encrypt, while others write without knowing of it."""


def lock_of(key: str) -> int:
    """What stands for a key among these locks."""
    return int.from_bytes(bytes.fromhex(key), "big", signed=True) or 1


__all__ = [
    "SCHEMA",
    "Connection",
    "Cursor",
    "Database",
    "DriverError",
    "Json",
    "Load",
    "OperationalError",
    "OrderedJson",
    "UniqueViolation",
    "conninfo",
    "probe",
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
    options = f"{parts.get('options') or ''} {SESSION}".strip()
    return make_conninfo(
        url,
        options=options,
        application_name=f"signoff {instance}",
        connect_timeout=parts.get("connect_timeout") or CONNECT_TIMEOUT,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """How many connections a pool has, how many of them are idle, and who waits for one."""

    pool: str
    size: int
    idle: int
    waiting: int


class Database:
    """A pool of connections in autocommit; `transaction` is the one way to group statements.

    `instance` is this process's name in the database. Statements are not pipelined: on a local
    socket psycopg's pipeline costs five times the processor time of plain statements.
    """

    def __init__(
        self, url: str, *, max_connections: int = 12, sealer: Sealer | None = None
    ) -> None:
        self.sealer = sealer
        self.instance = token_hex(6)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.conninfo = conninfo(url, self.instance)
        self.pool = self._pool(
            "signoff", "", min_size=min(2, max_connections), max_size=max_connections
        )
        self.relaxed = self._pool(
            "signoff relaxed", f"-c synchronous_commit=off {BY_KEY}", max_size=4
        )
        self.writing = self._pool("signoff writing", BY_KEY, max_size=5)
        self._after_commit: dict[Connection, list[Callable[[], None]]] = {}

    def _pool(
        self, name: str, settings: str, *, max_size: int, min_size: int = 1
    ) -> AsyncConnectionPool[Connection]:
        options = f"{conninfo_to_dict(self.conninfo)['options']} {settings}".strip()
        return AsyncConnectionPool(
            make_conninfo(self.conninfo, options=options),
            min_size=min_size,
            max_size=max_size,
            open=False,
            connection_class=Connection,
            kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
            configure=self._configure,
            name=name,
        )

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._reach()
        try:
            for pool in self._pools():
                await pool.open(wait=True, timeout=PATIENCE)
        except (PoolTimeout, OperationalError) as error:
            await self.__aexit__()
            raise DatabaseUnreachable(f"the database does not answer: {error}") from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        for pool in self._pools():
            await pool.close()

    def _pools(self) -> tuple[AsyncConnectionPool[Connection], ...]:
        return self.pool, self.relaxed, self.writing

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection on which each statement is a transaction of its own.

        Raises:
            DatabaseUnreachable: There is none, or it was lost; the last statement may have counted.
        """
        return self._lent(self.pool)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one transaction, committed at the end and rolled back on an error.

        Raises:
            DatabaseUnreachable: There is none, or it was lost; if that was during the commit, the
                transaction may have counted.
        """
        async with self._lent(self.pool) as conn:
            after = self._after_commit[conn] = []
            try:
                async with conn.transaction():
                    yield conn
            finally:
                del self._after_commit[conn]
        for act in after:
            act()

    def after_commit(self, conn: Connection, act: Callable[[], None]) -> None:
        """Call `act` once the transaction on this connection has committed; else not at all."""
        self._after_commit[conn].append(act)

    def taking(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for taking and beginning work, whose commits do not wait for the disk.

        If PostgreSQL crashes, the last of these may be undone, though never without all that was
        written after them. The work is then taken again, under another epoch.

        Raises:
            DatabaseUnreachable: As with `connection`.
        """
        return self._lent(self.relaxed)

    def looking_up(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for what is read by its key all the time, with one plan for each statement.

        Raises:
            DatabaseUnreachable: As with `connection`.
        """
        return self._lent(self.relaxed)

    def committing(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for the statements in which groups commit.

        Raises:
            DatabaseUnreachable: There is none, or it was lost; the last statement may have counted.
        """
        return self._lent(self.writing)

    @asynccontextmanager
    async def _lent(self, pool: AsyncConnectionPool[Connection]) -> AsyncIterator[Connection]:
        with self.reaching():
            async with pool.connection() as conn:
                yield conn

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """What goes wrong inside for reasons of the database, in words of ours.

        Raises:
            DatabaseUnreachable: The connection was lost; the last statement may have counted.
            RightsMissing: The database lets us in, but not do this.
        """
        if self._loop is not None and asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(
                "the desk was opened in another event loop: call it there, from another thread by "
                "`asyncio.run_coroutine_threadsafe`"
            )
        try:
            yield
        except OperationalError as error:
            raise DatabaseUnreachable("The database is out of reach.") from error
        except InsufficientPrivilege as error:
            raise RightsMissing(
                f"the role that Signoff has in the database lacks the rights for this: "
                f"{error.diag.message_primary}"
            ) from error

    def load(self) -> list[Load]:
        """How the connections of each kind are used."""
        found = []
        for pool in self._pools():
            stats = pool.get_stats()
            found.append(
                Load(
                    pool=pool.name.removeprefix("signoff").strip() or "main",
                    size=stats.get("pool_size", 0),
                    idle=stats.get("pool_available", 0),
                    waiting=stats.get("requests_waiting", 0),
                )
            )
        return found

    async def refresh(self) -> None:
        """Put new connections in the place of broken ones, before somebody is given one of them."""
        for pool in self._pools():
            await pool.check()

    async def connect(self) -> Connection:
        """A connection outside the pool, for listening and for locks that outlive a statement."""
        conn = await Connection.connect(self.conninfo, autocommit=True, row_factory=dict_row)
        conn.sealer = self.sealer
        return conn

    async def _configure(self, conn: Connection) -> None:
        set_json_loads(orjson.loads, conn)
        conn.sealer = self.sealer
        key = KEYLESS if self.sealer is None else lock_of(self.sealer.first)
        await conn.execute("SELECT pg_advisory_lock_shared(%s, %s)", (KEY_LOCKS, key))

    async def _reach(self) -> None:
        """Return once the database lets us in: it may be starting just as we are."""
        give_up_at = time.monotonic() + PATIENCE
        told = False
        while (problem := await _problem(self.conninfo)) is not None:
            if time.monotonic() > give_up_at:
                raise DatabaseUnreachable(f"the database does not answer: {problem}")
            if not told:
                log.warning("the database does not answer yet, trying again", reason=problem)
                told = True
            await asyncio.sleep(0.5)


async def probe(url: str) -> None:
    """Return if the database lets us in, now.

    Raises:
        DatabaseUnreachable: It does not, and why.
    """
    if (problem := await _problem(conninfo(url, "probe"))) is not None:
        raise DatabaseUnreachable(f"the database does not answer: {problem}")


async def _problem(conninfo: str) -> str | None:
    try:
        conn = await AsyncConnection.connect(conninfo)
    except OperationalError as error:
        return " ".join(str(error).split())
    await conn.close()
    return None


class OrderedJson(PlainJson):
    """A value for a ``json`` column, which keeps the order of keys."""

    def __init__(self, value: Any) -> None:
        super().__init__(value, dumps=orjson.dumps)


async def won(cursor: Cursor) -> bool:
    """Whether a statement that names the state it expects has changed its row.

    It ends in RETURNING: inside a pipeline there is no row count until something is read.
    """
    return await cursor.fetchone() is not None
