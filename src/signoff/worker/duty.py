"""Something that a worker does from time to time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from signoff.domain.errors import DatabaseUnreachable
from signoff.log import get_logger
from signoff.stopping import stopped

log = get_logger(__name__)


class Duty:
    """Calls `act` every so often. An error is logged, and the duty goes on."""

    def __init__(self, name: str, every: timedelta, act: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._every = every.total_seconds()
        self._act = act
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first time comes after one interval."""
        self._task = asyncio.create_task(self._run(), name=f"signoff {self._name}")

    async def stop(self) -> None:
        """End, in the middle of it if need be: its transactions roll back."""
        if self._task is not None:
            await stopped([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self._act()
            except DatabaseUnreachable:
                log.warning("the database is out of reach", duty=self._name)
            except Exception:
                log.exception("a duty failed", duty=self._name)
