"""Bring all that is stored under the newest key, while everything goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from signoff.db import encryption, resealing
from signoff.db.pool import Connection, Database
from signoff.db.sealed import Sealer
from signoff.domain.errors import ConfigError

Progress = Callable[[int, int], None]
"""Told how many rows were looked at, and how many there are."""


@dataclass(slots=True)
class Encrypted:
    """What was done: `rows` looked at, `rewritten` ones of them; keys by their ids.

    Keys that are `forgotten` are needed by nothing any more. Those `in_use` are what processes
    encrypt with that have not been restarted yet.
    """

    key: str
    rows: int = 0
    rewritten: int = 0
    forgotten: list[str] = field(default_factory=list)
    in_use: list[str] = field(default_factory=list)


async def encrypt_all(
    database: Database, progress: Progress = lambda _done, _total: None
) -> Encrypted:
    """Encrypt with the first key what is in the clear, and what is encrypted with another.

    It can be broken off and begun again. A key is forgotten once nobody writes with it, and a look
    after that has found nothing more of it.

    Raises:
        ConfigError: There is no key.
        EncryptionKeyMissing: A row is encrypted with a key that we have not.
        CannotDecrypt: A row is not as it was written.
    """
    sealer = database.sealer
    if sealer is None:
        raise ConfigError("encryption_keys: there is no key to encrypt with")
    done = Encrypted(sealer.first)
    # Each row commits by itself and does not wait for the disk: what a crash undoes is found again.
    async with database.taking() as conn:
        total = await resealing.count(conn)
        async for rows, rewritten in _pass(conn, sealer):
            done.rows += rows
            done.rewritten += rewritten
            progress(min(done.rows, total), total)
    async with database.connection() as conn:
        old = sorted(await encryption.check(conn) - {sealer.first})
        free = [key for key in old if await encryption.bar(conn, key)]
        done.in_use = [key for key in old if key not in free]
        try:
            if free:
                async for _, rewritten in _pass(conn, sealer):
                    done.rewritten += rewritten
            for key in free:
                await encryption.forget(conn, key)
        finally:
            for key in free:
                await encryption.admit(conn, key)
        done.forgotten = free
    return done


async def _pass(conn: Connection, sealer: Sealer) -> AsyncIterator[tuple[int, int]]:
    for table in resealing.TABLES:
        async for batch in resealing.reseal(conn, sealer, table):
            yield batch
