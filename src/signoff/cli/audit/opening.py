"""The project's database, for commands that need none of its graphs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from signoff.cli import logs
from signoff.cli.session import database_address, settings_here
from signoff.config import Settings
from signoff.db import migrate as schema
from signoff.db.pool import Database, probe


@asynccontextmanager
async def open_database() -> AsyncIterator[tuple[Settings, Database]]:
    """The project's settings, and its database with this program's schema.

    Raises:
        ConfigError: The project's configuration is not in order.
        DatabaseNotReady: The database does not answer, or has not this program's schema.
    """
    settings = settings_here()
    logs.configure("debug" if settings.log_level == "debug" else "warning")
    async with database_address(settings) as url:
        await probe(url)
        async with Database(url, max_connections=2) as database:
            await schema.check(database)
            yield settings, database
