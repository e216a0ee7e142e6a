"""A wake-up that does not get lost."""

from __future__ import annotations

import asyncio
from typing import Literal


class WakeUp(asyncio.Event):
    """An event that is used up by waiting for it, and by nothing else.

    Procrastinate's worker clears its event after it has looked for jobs, and so forgets a
    notification that came while it looked. Here its `clear` does nothing; the event is cleared at
    the moment a wait returns, before the look that follows.
    """

    async def wait(self) -> Literal[True]:
        """Return once it is set, and clear it."""
        await super().wait()
        super().clear()
        return True

    def clear(self) -> None:
        """Nothing: only `wait` uses a wake-up up."""
