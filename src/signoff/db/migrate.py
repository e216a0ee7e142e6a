"""The schema and its versions.

Signoff's own tables are plain SQL files, applied in order and recorded with their checksums.
The tables of LangGraph's checkpointer and of Procrastinate come from those libraries, in the
versions installed. All of it happens in one transaction under one lock, so that any number of
processes may start at once and a failure leaves nothing half done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence, Set
from importlib.metadata import version
from importlib.resources import files

from procrastinate.schema import SchemaManager
from psycopg import sql

from signoff.db import app_role, audit_order, encryption
from signoff.db.pool import SCHEMA, Connection, Database
from signoff.domain.errors import DatabaseUnreachable, SchemaMissing, SchemaTooNew, SchemaTooOld

MINIMUM_SERVER = 140000
"""PostgreSQL 14, in the server's own way of counting."""

UNUSED_TRIGGERS = (
    "procrastinate_jobs_notify_queue_job_inserted_v1",  # `signoff.db.jobs` tells after the commit
    "procrastinate_trigger_status_events_insert_v1",  # a history of jobs, which the audit is
    "procrastinate_trigger_status_events_update_v1",
)
"""What Procrastinate does on each change of a job that nobody here needs."""

_LOCK = 0x5349474E4F4646  # "SIGNOFF"


async def migrate(
    database: Database, checkpoints: Sequence[str], role: str | None = None
) -> list[str]:
    """Bring the schema to this program's version; what was applied, by name.

    `checkpoints` are the migrations of LangGraph's checkpoint tables, in order. `role` is given the
    rights that Signoff's processes need; those that have been given them keep them on new tables.

    Raises:
        ConfigError: There is no such role, or no right can be kept from it. Nothing was changed.
        RightsMissing: The role that we have may not make tables there. Nothing was changed.
        SchemaTooNew: A newer program has been here. Nothing was changed.
        SchemaTooOld: An applied migration is not the one that this program has under its number.
    """
    conn = await database.connect()
    try:
        await _check_server(conn)
        with database.reaching():
            return await _migrate(conn, checkpoints, role)
    finally:
        await conn.close()


async def _migrate(conn: Connection, checkpoints: Sequence[str], role: str | None) -> list[str]:
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if not await _has_schema(conn):
            await conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
        await conn.execute(
            """
            CREATE TABLE IF NOT EXISTS migrations (
                part       text        NOT NULL,
                version    text        NOT NULL,
                checksum   text        NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now(),
                PRIMARY KEY (part, version)
            )
            """
        )
        applied = await _apply(conn, "signoff", _own_steps())
        applied += await _apply_jobs(conn)
        applied += await _apply_checkpoints(conn, checkpoints)
        for each in {*await app_role.granted(conn), *([role] if role else [])}:
            await app_role.grant(conn, each)
        if await audit_order.catch_up(conn):
            applied.append("signoff order of the audit: goes on behind that of another server")
    return applied


async def _has_schema(conn: Connection) -> bool:
    """Whether it is there: it may have been made for a role that may not make another one."""
    cursor = await conn.execute("SELECT to_regnamespace(%s) IS NOT NULL AS it", (SCHEMA,))
    found = await cursor.fetchone()
    return found is not None and found["it"]


async def check(
    database: Database, checkpoints: Sequence[str] | None = None, *, keyless: bool = False
) -> None:
    """Return if the schema is the one that this program works with, and the keys are at hand.

    `checkpoints` as for `migrate`; without them, those tables are not looked at. With `keyless`,
    one who has no key may look at what is not encrypted.

    Raises:
        SchemaMissing: There is none.
        SchemaTooOld: It lacks migrations that this program has, or was restored from the dump of
            another server and not migrated since.
        SchemaTooNew: It has migrations that this program does not know.
        EncryptionKeyMissing, ConfigError: As `signoff.db.encryption.register`.
    """
    async with database.connection() as conn:
        await _check_server(conn)
        found = await (
            await conn.execute("SELECT to_regclass(%s) AS it", (f"{SCHEMA}.migrations",))
        ).fetchone()
        if found is None or found["it"] is None:
            raise SchemaMissing("the database has no Signoff schema yet: run `signoff migrate`")
        for part, steps, there in (
            ("signoff", _own_steps().keys(), (await _applied(conn, "signoff")).keys()),
            ("jobs", _job_steps().keys(), (await _applied(conn, "jobs")).keys()),
            ("checkpoints", *await _checkpoint_steps(conn, checkpoints)),
        ):
            _refuse_newer(part, set(there - steps))
            if missing := steps - there:
                raise SchemaTooOld(
                    f"the database lacks {part} {', '.join(sorted(missing))}: run `signoff migrate`"
                )
        if await audit_order.is_behind(conn):
            raise SchemaTooOld(
                "the database was restored from another server, whose transactions are ahead of "
                "this one's: run `signoff migrate`"
            )
    if database.sealer is not None or not keyless:
        await encryption.register(database)


async def _checkpoint_steps(
    conn: Connection, expected: Sequence[str] | None
) -> tuple[Set[str], Set[str]]:
    there = _numbers(await _checkpoints(conn))
    return there if expected is None else _numbers(len(expected)), there


async def _check_server(conn: Connection) -> None:
    if conn.info.server_version < MINIMUM_SERVER:
        raise DatabaseUnreachable(
            f"PostgreSQL {MINIMUM_SERVER // 10000} or newer is needed, "
            f"this is {conn.info.server_version // 10000}"
        )


def _refuse_newer(part: str, unknown: set[str]) -> None:
    if unknown:
        raise SchemaTooNew(
            f"the database has {part} {', '.join(sorted(unknown))}, which Signoff "
            f"{version('signoff')} does not know: use a newer version of it"
        )


def _own_steps() -> dict[str, str]:
    """Signoff's own migrations, ``NNNN_name.sql``, in order."""
    return _sql_files("signoff.db", "migrations")


def _job_steps() -> dict[str, str]:
    """Procrastinate's migrations, in order."""
    return _sql_files("procrastinate.sql", "migrations")


def _sql_files(package: str, folder: str) -> dict[str, str]:
    found = {
        file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
        for file in (files(package) / folder).iterdir()
        if file.name.endswith(".sql")
    }
    return dict(sorted(found.items()))


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def _applied(conn: Connection, part: str) -> dict[str, str]:
    rows = await conn.execute("SELECT version, checksum FROM migrations WHERE part = %s", (part,))
    return {row["version"]: row["checksum"] async for row in rows}


async def _apply(conn: Connection, part: str, steps: dict[str, str]) -> list[str]:
    there = await _applied(conn, part)
    _refuse_newer(part, there.keys() - steps.keys())
    done = []
    for name, text in steps.items():
        checksum = _checksum(text)
        if name not in there:
            await conn.execute(text.encode())
            await _record(conn, part, name, checksum)
            done.append(f"{part} {name}")
        elif there[name] != checksum:
            raise SchemaTooOld(f"{part} {name} was applied in another form than this program's")
    return done


async def _record(conn: Connection, part: str, name: str, checksum: str) -> None:
    await conn.execute(
        "INSERT INTO migrations (part, version, checksum) VALUES (%s, %s, %s)",
        (part, name, checksum),
    )


async def _apply_jobs(conn: Connection) -> list[str]:
    """Procrastinate's schema where there is none, and its migrations from then on."""
    steps = _job_steps()
    if await _applied(conn, "jobs"):
        return await _apply(conn, "jobs", steps)
    await conn.execute(SchemaManager.get_schema().encode())
    await conn.execute(
        """
        CREATE INDEX signoff_jobs_by_thread ON procrastinate_jobs ((args ->> 'thread_id'))
         WHERE status = 'todo'
        """
    )
    for trigger in UNUSED_TRIGGERS:
        await conn.execute(
            sql.SQL("ALTER TABLE procrastinate_jobs DISABLE TRIGGER {}").format(
                sql.Identifier(trigger)
            )
        )
    for name, text in steps.items():
        await _record(conn, "jobs", name, _checksum(text))
    return ["jobs schema"]


async def _apply_checkpoints(conn: Connection, steps: Sequence[str]) -> list[str]:
    """LangGraph's own migrations, counted in LangGraph's own table.

    CREATE INDEX CONCURRENTLY cannot run inside a transaction; here the tables are new and empty,
    so the plain form does the same.
    """
    await conn.execute(steps[0].encode())
    there = await _checkpoints(conn)
    _refuse_newer("checkpoints", set(_numbers(there) - _numbers(len(steps))))
    done = []
    for number, text in enumerate(steps):
        if number >= there:
            await conn.execute(text.replace(" CONCURRENTLY", "").encode())
            await conn.execute("INSERT INTO checkpoint_migrations (v) VALUES (%s)", (number,))
            done.append(f"checkpoints {number}")
    return done


async def _checkpoints(conn: Connection) -> int:
    """How many of LangGraph's migrations there are."""
    row = await (
        await conn.execute("SELECT coalesce(max(v), -1) + 1 AS there FROM checkpoint_migrations")
    ).fetchone()
    return int(row["there"]) if row else 0


def _numbers(count: int) -> Set[str]:
    """The names of the first `count` migrations that have none but their number."""
    return {f"{number:02}" for number in range(count)}
