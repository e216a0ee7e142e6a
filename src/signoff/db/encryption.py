"""The table `encryption_keys`: the ids of the keys that something in the database needs."""

from __future__ import annotations

from psycopg.errors import LockNotAvailable

from signoff.db import resealing
from signoff.db.pool import KEY_LOCKS, KEYLESS, Connection, Database, lock_of
from signoff.db.sealed import Sealer
from signoff.domain.errors import ConfigError, EncryptionKeyMissing

PATIENCE = "5s"
"""How long those without a key may take to stop, when encryption is turned on."""

BEGINNING = 0x51608
"""An advisory lock: encryption begins once."""


async def check(conn: Connection) -> set[str]:
    """The keys that are needed.

    Raises:
        EncryptionKeyMissing: This process has not all of them.
    """
    cursor = await conn.execute("SELECT id FROM encryption_keys ORDER BY since")
    needed = [row["id"] async for row in cursor]
    have = () if conn.sealer is None else conn.sealer.ids
    for key in needed:
        if key not in have:
            raise EncryptionKeyMissing.of(key)
    return set(needed)


async def register(database: Database) -> None:
    """Note that this process writes with its first key, before it does.

    Raises:
        EncryptionKeyMissing: Something in the database needs a key that this process has not.
        ConfigError: Nothing is encrypted yet, and a process without a key is at work.
    """
    async with database.transaction() as conn:
        needed = await check(conn)
        if database.sealer is None or database.sealer.first in needed:
            return
        if not needed and not await _begin(conn, database.sealer):
            return
        await conn.execute(
            "INSERT INTO encryption_keys (id) VALUES (%s) ON CONFLICT DO NOTHING",
            (database.sealer.first,),
        )


async def _begin(conn: Connection, sealer: Sealer) -> bool:
    """Have everything sealed from now on that looks as if it were; False if this key does already.

    Raises:
        EncryptionKeyMissing: Another process was faster, with a key that this one has not.
        ConfigError: A process without a key is at work.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(%s)", (BEGINNING,))
    if needed := await check(conn):
        return sealer.first not in needed
    await _stop_keyless(conn)
    await resealing.seal_lookalikes(conn, sealer)
    return True


async def _stop_keyless(conn: Connection) -> None:
    """Let nobody without a key connect until this is committed: they then see that they need it."""
    try:
        await conn.execute("SELECT set_config('lock_timeout', %s, true)", (PATIENCE,))
        await conn.execute("SELECT pg_advisory_xact_lock(%s, %s)", (KEY_LOCKS, KEYLESS))
        await conn.execute("SELECT set_config('lock_timeout', '0', true)")
    except LockNotAvailable as error:
        raise ConfigError(
            "encryption_keys: processes without this setting use the database: stop them first, "
            "since they could not read what is encrypted"
        ) from error


async def bar(conn: Connection, key: str) -> bool:
    """Let nobody connect who writes with a key, until `admit`; False if somebody is connected."""
    cursor = await conn.execute(
        "SELECT pg_try_advisory_lock(%s, %s) AS free", (KEY_LOCKS, lock_of(key))
    )
    row = await cursor.fetchone()
    return row is not None and bool(row["free"])


async def admit(conn: Connection, key: str) -> None:
    """Let those connect again who write with a key."""
    await conn.execute("SELECT pg_advisory_unlock(%s, %s)", (KEY_LOCKS, lock_of(key)))


async def forget(conn: Connection, key: str) -> None:
    """Note that nothing needs a key any more."""
    await conn.execute("DELETE FROM encryption_keys WHERE id = %s", (key,))
