"""The role for Signoff's processes does the main job, and cannot change what the audit says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from langgraph.types import interrupt
from psycopg import AsyncConnection, errors, sql
from psycopg.conninfo import make_conninfo

from signoff import Signoff, audit_key
from signoff.clock import utcnow
from signoff.config import Settings
from signoff.db.pool import Database
from signoff.domain.errors import ConfigError
from signoff.service.anchor import anchor_audit
from signoff.service.migrate import migrate
from signoff.service.threads import delete_thread
from signoff.service.verify_audit import Trust, verify_audit
from tests.helpers import Log, answered, chain, settled, started


def review(state: Log) -> Log:
    return {"seen": [interrupt("which?")]}


@pytest.fixture
def role(server: str, database_url: str) -> Iterator[str]:
    """A new role; and it is gone with all its rights afterwards."""
    name = f"signoff_app_{uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield name
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
async def app(role: str, database_url: str, database: Database) -> str:
    """The address of the database for that role, which has been given its rights."""
    await migrate(database, role=role)
    return make_conninfo(database_url, user=role)


async def test_the_role_does_the_main_job_and_anchors(
    app: str, database: Database, tmp_path: Path
) -> None:
    audit_key.create(tmp_path / "audit.key")
    key = audit_key.read(tmp_path / "audit.key")
    async with Signoff(app, {"g": chain(review)}, Settings(shutdown_grace="1s")) as desk:
        for thread_id in ("t", "u"):
            await started(desk, thread_id=thread_id)
            await answered(desk, "this", thread_id)
            await settled(desk, thread_id)
        assert [each["event"] for each in await desk.audit(thread_id="t")] == [
            "run.created",
            "request.opened",
            "request.decided",
            "request.delivered",
        ]
        await delete_thread(desk.office, "u", by="me")
        assert len(await anchor_audit(desk.office.database, key, at=utcnow())) == 1
    report = await verify_audit(database, trust=Trust(keys={key.public}))
    assert (report.found, report.unanchored) == (0, 0)


FORBIDDEN = [
    "UPDATE audit SET body = '' WHERE seq = 1",
    "UPDATE audit SET at = now()",
    "DELETE FROM audit",
    "TRUNCATE audit",
    "INSERT INTO audit (thread_id, seq, hash, event, body, at) VALUES ('t', 9, '', '', '', now())",
    "INSERT INTO audit (thread_id, event, body, at, xact) VALUES ('t', '', '', now(), '1')",
    "ALTER TABLE audit DISABLE TRIGGER audit_chain",
    "DROP TABLE audit",
    "UPDATE audit_heads SET seq = 0",
    "DELETE FROM audit_heads",
    "INSERT INTO audit_heads (thread_id, seq, hash) VALUES ('v', 1, '')",
    "UPDATE audit_anchors SET entries = 0",
    "DELETE FROM audit_anchors",
    "UPDATE audit_anchored SET seq = 0",
    "DELETE FROM audit_anchored",
    "DELETE FROM migrations",
    "SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION signoff.audit_chain() RETURNS trigger LANGUAGE plpgsql AS ''",
]


async def test_the_role_can_add_to_the_audit_and_change_nothing_of_it(
    app: str, database: Database
) -> None:
    async with await AsyncConnection.connect(
        app, autocommit=True, options="-c search_path=signoff"
    ) as conn:
        await conn.execute(
            "INSERT INTO audit (thread_id, event, body, at) VALUES ('t', 'x', '{}', now())"
        )
        for statement in FORBIDDEN:
            with pytest.raises(errors.InsufficientPrivilege):
                await conn.execute(statement.encode())
        # Nor by a function that the trigger would take for PostgreSQL's own.
        await conn.execute("SET search_path = pg_temp, signoff, pg_catalog")
        await conn.execute(
            "CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$SELECT $1$$"
        )
        await conn.execute(
            "INSERT INTO audit (thread_id, event, body, at) VALUES ('t', 'x', '{}', now())"
        )
        row = await (await conn.execute("SELECT hash FROM audit WHERE seq = 2")).fetchone()
        assert row is not None
        assert len(row[0]) == 64
    report = await verify_audit(database)
    # What it wrote is no entry; but the chain is that of what it wrote.
    assert {each.message for each in report.findings} == {"its text is no entry"}


async def test_the_role_keeps_its_rights_with_each_migration(
    app: str, role: str, database: Database
) -> None:
    async with database.connection() as conn:
        await conn.execute("CREATE TABLE of_a_later_version (id int)")
        await conn.execute(sql.SQL("GRANT DELETE ON audit TO {}").format(sql.Identifier(role)))
    await migrate(database)
    async with await AsyncConnection.connect(
        app, autocommit=True, options="-c search_path=signoff"
    ) as conn:
        await conn.execute("INSERT INTO of_a_later_version VALUES (1)")
        with pytest.raises(errors.InsufficientPrivilege):
            await conn.execute("DELETE FROM audit")


async def test_a_role_that_is_not_there_or_may_do_anything_is_refused(database: Database) -> None:
    with pytest.raises(ConfigError, match="there is no role nobody"):
        await migrate(database, role="nobody")
    async with database.connection() as conn:
        row = await (await conn.execute("SELECT current_user AS me")).fetchone()
    assert row is not None
    with pytest.raises(ConfigError, match="no right can be kept"):
        await migrate(database, role=row["me"])
