"""The project's database, for commands that need none of its graphs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from signoff import sealing
from signoff.cli.session import database_address, log_quietly, settings_here
from signoff.config import Settings
from signoff.db import migrate as schema
from signoff.db.pool import Database, probe


@asynccontextmanager
async def open_database(*, keyless: bool = False) -> AsyncIterator[tuple[Settings, Database]]:
    """The project's settings, and its database with this program's schema.

    With `keyless`, the keys of what is encrypted may be missing.

    Raises:
        ConfigError: The project's configuration is not in order.
        DatabaseNotReady: The database does not answer, or has not this program's schema.
    """
    settings = settings_here()
    log_quietly(settings)
    async with database_address(settings) as url:
        await probe(url)
        sealer = sealing.of_project(settings)
        async with Database(url, max_connections=2, sealer=sealer) as database:
            await schema.check(database, keyless=keyless)
            yield settings, database
