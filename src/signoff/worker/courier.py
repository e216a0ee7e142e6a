"""Tells people and programs what happens: writes messages, and sends those that are due."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from signoff.domain.errors import DatabaseUnreachable
from signoff.log import get_logger
from signoff.service.deliveries import forget_messages
from signoff.service.links import forget_links
from signoff.service.notify import fan_out, is_anybody_told
from signoff.service.office import Office
from signoff.service.send import AT_ONCE, PER_ADDRESS, Ready, claim, deliver, next_look
from signoff.stopping import stopped
from signoff.worker.duty import Duty

log = get_logger(__name__)

LOOK_AGAIN = 2.0
"""Seconds after which entries are looked for without being told: some are not told of at once."""

GATHER = 0.05
"""Seconds for which more is waited for, so that what a busy desk does is read in pages."""

CLEAN_UP = timedelta(minutes=1)
"""How often what is old is deleted."""


class Courier:
    """Two tasks: one reads the audit, one sends. Neither holds more than a connection at a time."""

    def __init__(self, office: Office, *, keep: timedelta) -> None:
        self._office = office
        self._due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._sending: dict[asyncio.Task[bool], Ready] = {}
        self._keep = keep
        self._cleaning = Duty("messages", CLEAN_UP, self._forget)

    def start(self) -> None:
        """Begin."""
        self._office.notices.on_messages = self._due.set
        self._cleaning.start()
        for name, act in (("notify", self._read), ("send", self._send)):
            self._tasks.append(asyncio.create_task(_again(act, name), name=f"signoff {name}"))

    async def stop(self, grace: float) -> None:
        """End; what is on its way has `grace` seconds to arrive, and else is sent again."""
        await self._cleaning.stop()
        await stopped(self._tasks)
        if self._sending:
            await asyncio.wait(self._sending, timeout=grace)
            await stopped(self._sending)

    async def _forget(self) -> None:
        await forget_messages(self._office, self._keep)
        await forget_links(self._office)

    async def _read(self) -> None:
        async with self._office.notices.of_anything() as told:
            while True:
                if not is_anybody_told(self._office):
                    await asyncio.sleep(LOOK_AGAIN)
                    continue
                told.clear()
                if not await fan_out(self._office):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_AGAIN):
                            await told.wait()
                    await asyncio.sleep(GATHER)

    async def _send(self) -> None:
        while True:
            self._due.clear()
            wait = None
            if free := AT_ONCE - len(self._sending):
                claimed = await claim(self._office, limit=free, busy=self._busy())
                for ready in claimed:
                    task = asyncio.create_task(
                        deliver(self._office, ready), name="signoff delivery"
                    )
                    self._sending[task] = ready
                    task.add_done_callback(self._sent)
                wait = 0.0 if claimed else await next_look(self._office)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._due.wait()

    def _busy(self) -> list[tuple[str, str]]:
        """The addresses to which as much is on its way as may be."""
        on_their_way = Counter(ready.address for ready in self._sending.values())
        return [address for address, count in on_their_way.items() if count >= PER_ADDRESS]

    def _sent(self, task: asyncio.Task[bool]) -> None:
        del self._sending[task]
        self._due.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("could not note how a delivery went: it is made again", error=error)


async def _again(act: Callable[[], Awaitable[None]], name: str) -> None:
    """Do something for ever, whatever goes wrong."""
    while True:
        try:
            await act()
        except DatabaseUnreachable:
            log.warning("the database is out of reach", duty=name)
        except Exception:
            log.exception("a duty failed", duty=name)
        await asyncio.sleep(LOOK_AGAIN)
