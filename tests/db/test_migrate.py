"""The schema: made once however many start, refused where it is another program's, alone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any, LiteralString

import pytest
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

import signoff
from signoff import Signoff
from signoff.config import Settings
from signoff.db.pool import Database
from signoff.domain.errors import RightsMissing, SchemaMissing, SchemaTooNew, SchemaTooOld
from signoff.service.migrate import check, migrate
from tests.helpers import Log, chain, settled

MIGRATIONS = Path(signoff.__file__).parent / "db" / "migrations"


async def asked(database: Database, statement: str) -> Any:
    async with database.connection() as conn:
        cursor = await conn.execute(statement)
        return await cursor.fetchall() if cursor.description else None


async def test_any_number_of_starts_at_once_make_the_schema_once(empty_database_url: str) -> None:
    async def start() -> list[str]:
        async with Database(empty_database_url, max_connections=2) as database:
            return await migrate(database)

    done = await asyncio.gather(*(start() for _ in range(8)))
    assert sorted(map(bool, done)) == [False] * 7 + [True]
    async with Database(empty_database_url) as database:
        await check(database)
        assert await migrate(database) == []


def test_processes_that_start_at_once_make_the_schema_once(empty_database_url: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from signoff.db.pool import Database\n"
        "from signoff.service.migrate import migrate\n"
        "async def main():\n"
        "    async with Database(sys.argv[1]) as database:\n"
        "        print(len(await migrate(database)))\n"
        "asyncio.run(main())\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, empty_database_url], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    applied = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(map(bool, applied)) == [False, False, True]


def test_our_migrations_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(file.name[:4]) for file in MIGRATIONS.iterdir() if file.suffix == ".sql")
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_database_without_the_schema_is_refused(empty_database_url: str) -> None:
    async with Database(empty_database_url) as database:
        with pytest.raises(SchemaMissing, match="signoff migrate"):
            await check(database)
    with pytest.raises(SchemaMissing):
        async with Signoff(empty_database_url, {}, Settings()):
            pass


@pytest.mark.parametrize(
    "newer",
    [
        "INSERT INTO migrations VALUES ('signoff', '9999_future', 'x')",
        "INSERT INTO migrations VALUES ('jobs', '99.00.00_01_future', 'x')",
        "INSERT INTO checkpoint_migrations (v) VALUES (99)",
    ],
    ids=["signoff", "jobs", "checkpoints"],
)
async def test_the_schema_of_a_newer_program_is_refused_and_left_as_it_is(
    database: Database, newer: str
) -> None:
    await asked(database, newer)
    with pytest.raises(SchemaTooNew, match="newer version"):
        await check(database)
    before = await asked(database, "SELECT * FROM migrations ORDER BY 1, 2")
    with pytest.raises(SchemaTooNew, match="newer version"):
        await migrate(database)
    assert await asked(database, "SELECT * FROM migrations ORDER BY 1, 2") == before


@pytest.mark.parametrize(
    "older",
    [
        "DELETE FROM migrations WHERE part = 'signoff'",
        "DELETE FROM migrations WHERE part = 'jobs' AND version LIKE '03%'",
        "DELETE FROM checkpoint_migrations WHERE v > 5",
    ],
    ids=["signoff", "jobs", "checkpoints"],
)
async def test_the_schema_of_an_older_program_is_refused(database: Database, older: str) -> None:
    await asked(database, older)
    with pytest.raises(SchemaTooOld, match="signoff migrate"):
        await check(database)


async def test_a_migration_that_is_not_the_one_that_was_applied_is_refused(
    database: Database,
) -> None:
    await asked(database, "UPDATE migrations SET checksum = 'other' WHERE part = 'signoff'")
    with pytest.raises(SchemaTooOld, match="another form"):
        await migrate(database)


async def test_a_migration_that_fails_leaves_nothing_behind(empty_database_url: str) -> None:
    async with Database(empty_database_url) as database:
        # In the way of one of the last statements.
        await asked(database, "CREATE SCHEMA signoff")
        await asked(database, "CREATE TABLE signoff.checkpoint_writes (x int)")
        with pytest.raises(Exception, match="thread_id"):
            await migrate(database)
        tables = await asked(
            database, "SELECT tablename FROM pg_tables WHERE schemaname = 'signoff'"
        )
        assert [row["tablename"] for row in tables] == ["checkpoint_writes"]
        await asked(database, "DROP TABLE signoff.checkpoint_writes")
        assert await migrate(database)


async def public(url: str) -> list[Any]:
    """All that stands in the schema `public`."""
    conn = await AsyncConnection.connect(url, autocommit=True)
    async with conn:
        cursor = await conn.execute(
            """
            SELECT 'relation', relname::text, relkind::text FROM pg_class
             WHERE relnamespace = 'public'::regnamespace
            UNION ALL
            SELECT 'function', proname::text, md5(prosrc) FROM pg_proc
             WHERE pronamespace = 'public'::regnamespace
            UNION ALL
            SELECT 'type', typname::text, typtype::text FROM pg_type
             WHERE typnamespace = 'public'::regnamespace
             ORDER BY 1, 2, 3
            """
        )
        return await cursor.fetchall()


OTHERWISE = {
    "datestyle": "'German'",
    "timezone": "'Asia/Tokyo'",
    "intervalstyle": "'sql_standard'",
    "bytea_output": "'escape'",
    "client_encoding": "'LATIN1'",
    "default_transaction_isolation": "'serializable'",
    "default_transaction_read_only": "on",
    "search_path": "public, pg_catalog",
}
"""Settings of a database which are not those that Signoff works with."""


async def set_otherwise(url: str) -> None:
    conn = await AsyncConnection.connect(url, autocommit=True)
    async with conn:
        name = sql.Identifier(conn.info.dbname)
        for setting, value in OTHERWISE.items():
            await conn.execute(
                sql.SQL(f"ALTER DATABASE {{}} SET {setting} = {value}").format(name)  # type: ignore[arg-type]
            )


async def test_a_database_of_your_own_keeps_its_tables_and_hosts_ours(
    empty_database_url: str,
) -> None:
    conn = await AsyncConnection.connect(empty_database_url, autocommit=True)
    async with conn:
        await conn.execute("CREATE TABLE threads (mine text)")
        await conn.execute("CREATE TABLE requests (mine text)")
        await conn.execute("INSERT INTO threads VALUES ('mine')")
        await conn.execute(SchemaManager.get_schema().encode())  # type: ignore[arg-type]
    async with AsyncPostgresSaver.from_conn_string(empty_database_url) as saver:
        await saver.setup()
    before = await public(empty_database_url)
    await set_otherwise(empty_database_url)

    async with Database(empty_database_url) as database:
        await migrate(database)
    assert await public(empty_database_url) == before

    def node(state: Log) -> Log:
        return {"seen": ["done 🖋"]}

    async with Signoff(empty_database_url, {"g": chain(node)}, Settings()) as desk:
        await desk.start("g", {}, by="starter", thread_id="t")
        assert (await settled(desk)).values["seen"] == ["done 🖋"]
    conn = await AsyncConnection.connect(empty_database_url)
    async with conn:
        for table in ("checkpoints", "procrastinate_jobs"):
            cursor = await conn.execute(f"SELECT count(*) FROM public.{table}")  # type: ignore[arg-type]
            assert (await cursor.fetchone()) == (0,)
        assert await (await conn.execute("SELECT * FROM public.threads")).fetchall() == [("mine",)]


async def test_a_role_without_rights_is_told_so_and_one_that_owns_the_schema_needs_no_more(
    empty_database_url: str,
) -> None:
    admin = await AsyncConnection.connect(empty_database_url, autocommit=True)
    role = f"limited_{admin.info.dbname}"
    named = {"role": sql.Identifier(role), "database": sql.Identifier(admin.info.dbname)}
    theirs = make_conninfo(empty_database_url, user=role)

    async def as_admin(statement: LiteralString) -> None:
        await admin.execute(sql.SQL(statement).format(**named))

    async with admin:
        await as_admin("CREATE ROLE {role} LOGIN")
        try:
            async with Database(theirs, max_connections=2) as database:
                with pytest.raises(RightsMissing, match="permission denied for database"):
                    await migrate(database)
                await as_admin("CREATE SCHEMA signoff")
                with pytest.raises(RightsMissing, match="permission denied for schema signoff"):
                    await check(database)
                await as_admin("ALTER SCHEMA signoff OWNER TO {role}")
                assert await migrate(database)
                await check(database)
        finally:
            await as_admin("DROP OWNED BY {role}")
            await as_admin("DROP ROLE {role}")
