"""Wait for a thread or a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

from signoff.db import threads
from signoff.db.notices import Notices
from signoff.db.runs import Ending
from signoff.domain.errors import RunNotFound, ThreadNotFound
from signoff.domain.thread import Thread, ThreadStatus
from signoff.service.office import Office

LOOK_AGAIN = 5.0
"""Seconds after which a thread is looked at without being told of a change: a safety net only."""


def new_thread_id() -> str:
    """An id for a thread whose starter gave none."""
    return str(uuid4())


async def until_settled(office: Office, notices: Notices, thread_id: str) -> Thread:
    """The thread, once nothing is under way on it.

    Raises:
        ThreadNotFound: There is no such thread.
    """
    async with notices.of_thread(thread_id) as changed:
        while True:
            if office.hand is None or not office.hand.works_on(thread_id):
                async with office.database.connection() as conn:
                    thread = await threads.get(conn, thread_id)
                if thread is None:
                    raise ThreadNotFound.of(thread_id)
                if thread.status is not ThreadStatus.BUSY:
                    return thread
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN):
                    await changed.wait()
            changed.clear()
            if changed.rested is not None:
                return changed.rested


@asynccontextmanager
async def watching(office: Office, notices: Notices, thread_id: str) -> AsyncIterator[Watch]:
    """Watch a thread. Begun before a run is, it misses nothing of that run."""
    async with notices.of_thread(thread_id) as changed:
        yield Watch(office, thread_id, changed)


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at a thread's run whenever the thread may have changed."""

    office: Office
    thread_id: str
    changed: asyncio.Event

    async def until_ended(self, run_id: str, *, within: float) -> Ending | None:
        """The end of a run that was under way when the watch began; None if it takes longer.

        Paused and cancelled are ends as well. `within` is in seconds.

        Raises:
            RunNotFound: There is no such run on this thread.
        """
        try:
            async with asyncio.timeout(within):
                while True:
                    await self.changed.wait()
                    self.changed.clear()
                    if (ending := await self.look(run_id)).ended:
                        return ending
        except TimeoutError:
            return None

    async def look(self, run_id: str) -> Ending:
        """How a run stands now.

        Raises:
            RunNotFound: There is no such run on this thread.
        """
        ending = await self.office.together.ending(self.thread_id, run_id)
        if ending is None:
            raise RunNotFound.of(self.thread_id, run_id)
        return ending
