"""A PostgreSQL for the session, a migrated database to copy, and a fresh copy for each test."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from psycopg import sql
from psycopg.conninfo import make_conninfo

from signoff import Signoff
from signoff.config import Settings
from signoff.db import embedded
from signoff.db.pool import Database
from signoff.service.migrate import migrate

TEMPLATE = f"signoff_template_{os.getpid()}"
SETTINGS = {
    "fsync": "off",
    "max_connections": "400",
    "shared_buffers": "16MB",
    "max_wal_size": "128MB",
}
"""Of the session's server: nothing has to outlive it, and its databases are small."""

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server for this session; of `SIGNOFF_TEST_DATABASE_URL`, if it is set."""
    if url := os.environ.get("SIGNOFF_TEST_DATABASE_URL"):
        yield url
        return
    folder = tmp_path_factory.mktemp("pg")
    with embedded.start(folder, settings=SETTINGS) as started:
        yield started.url


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """The name of a migrated database that tests are given copies of."""

    async def fill() -> None:
        async with Database(make_conninfo(server, dbname=TEMPLATE)) as database:
            await migrate(database)

    _sql(server, "CREATE DATABASE {}", TEMPLATE)
    asyncio.run(fill())
    yield TEMPLATE
    _sql(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", TEMPLATE)


@pytest.fixture
def database_url(server: str, template: str) -> Iterator[str]:
    """The address of a migrated database that nobody else uses."""
    name = f"signoff_test_{os.getpid()}_{next(_numbers)}"
    _sql(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    yield make_conninfo(server, dbname=name)
    _sql(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@pytest.fixture(scope="module")
def module_database_url(server: str, template: str) -> Iterator[str]:
    """The address of a migrated database that the tests of one module share."""
    name = f"signoff_module_{os.getpid()}_{next(_numbers)}"
    _sql(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    yield make_conninfo(server, dbname=name)
    _sql(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@pytest.fixture
def empty_database_url(server: str) -> Iterator[str]:
    """The address of a database without any table."""
    name = f"signoff_empty_{os.getpid()}_{next(_numbers)}"
    _sql(server, "CREATE DATABASE {}", name)
    yield make_conninfo(server, dbname=name)
    _sql(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh database."""
    async with Database(database_url) as opened:
        yield opened


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, by: timedelta) -> None:
        """Move on."""
        self.time += by


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until the test moves it."""
    return Clock()


OpenDesk = Callable[..., Any]


@pytest.fixture
async def open_desk(database_url: str, tmp_path: Path) -> AsyncIterator[OpenDesk]:
    """Opens desks on the test's database: `await open_desk({"name": graph})`."""
    async with AsyncExitStack() as stack:

        async def opened(
            graphs: Mapping[str, Any], *, work: bool = True, **settings: Any
        ) -> Signoff:
            given = {name: settings.pop(name) for name in ("now", "policies") if name in settings}
            desk = Signoff(
                database_url,
                graphs,
                Settings(data_dir=tmp_path, **{"shutdown_grace": "1s", **settings}),
                work=work,
                **given,
            )
            return await stack.enter_async_context(desk)

        yield opened


def _sql(server: str, statement: str, *names: str) -> None:
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(autouse=True)
def logs_of_a_library() -> None:
    """Logs as a program has them that sets up none, as `capture_logs` of a test before does."""
    structlog.reset_defaults()
