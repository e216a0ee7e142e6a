"""Bring the database's schema to this program's version, and see whether it is."""

from __future__ import annotations

from signoff.db import migrate as schema
from signoff.db.pool import Database
from signoff.graph.saver import CHECKPOINT_MIGRATIONS


async def migrate(database: Database, *, role: str | None = None) -> list[str]:
    """Apply what is missing, once however many processes try at once; the names of what was.

    `role` is given the rights that Signoff's processes need, and no others.

    Raises:
        ConfigError: There is no such role, or no right can be kept from it.
        SchemaTooNew, SchemaTooOld: The database is not one that this program can bring forward.
    """
    return await schema.migrate(database, CHECKPOINT_MIGRATIONS, role)


async def check(database: Database) -> None:
    """Return if the schema is the one that this program works with.

    Raises:
        SchemaMissing, SchemaTooOld, SchemaTooNew: It is not.
    """
    await schema.check(database, CHECKPOINT_MIGRATIONS)
