"""Where a desk keeps what `once()` has run: with the thread, under its lease."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol

from signoff.db import effects, leases
from signoff.db.pool import Database
from signoff.domain.errors import DatabaseUnreachable
from signoff.domain.thread import Lease
from signoff.once import Begun

PATIENCE = 60.0
"""Seconds in which the database may come back, so that an effect need not happen again."""


class EffectLog:
    """The effects of one thread, for the holder of its lease."""

    def __init__(self, database: Database, lease: Lease, serde: SerializerProtocol) -> None:
        self.loop = asyncio.get_running_loop()
        self._database = database
        self._lease = lease
        self._serde = serde

    async def begin(self, key: str) -> Begun:
        """The effect under this key, begun now if it was not before.

        Raises:
            LeaseLost: Another process runs this thread by now; the effect must not be run here.
        """
        async with self._database.transaction() as conn:
            await leases.hold(conn, self._lease)
            effect = await effects.begin(conn, self._lease, key)
        result = None
        if effect.done and effect.type is not None and effect.result is not None:
            result = self._serde.loads_typed((effect.type, effect.result))
        return Begun(
            done=effect.done,
            result=result,
            idempotency_key=idempotency_key(self._lease.thread_id, key),
        )

    async def complete(self, key: str, result: Any) -> None:
        """Keep what the effect returned, for a while also where the database is away.

        Raises:
            LeaseLost: Another process runs this thread by now, and will do the effect again,
                under the same idempotency key.
            DatabaseUnreachable: So will whoever goes on with the thread.
        """
        type_, data = self._serde.dumps_typed(result)
        give_up_at = self.loop.time() + PATIENCE
        while True:
            try:
                async with self._database.transaction() as conn:
                    await leases.hold(conn, self._lease)
                    await effects.complete(conn, self._lease, key, type_, data)
                return
            except DatabaseUnreachable:
                if self.loop.time() > give_up_at:
                    raise
                await asyncio.sleep(0.1)


def idempotency_key(thread_id: str, key: str) -> str:
    """The key that an effect hands on to whoever performs it: the same in every attempt."""
    return hashlib.sha256(f"{thread_id}\n{key}".encode()).hexdigest()[:32]
