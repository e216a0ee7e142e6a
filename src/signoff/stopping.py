"""Ending tasks for good."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN = 1.0
"""Seconds after which a task that goes on is cancelled again."""


async def stopped(tasks: Iterable[asyncio.Task[Any]], *, patience: float = 10.0) -> bool:
    """Cancel tasks and return once they have ended; False if some have not within `patience`.

    They are cancelled more than once: a cancellation can get lost, as in a database driver that
    loses its connection at that moment and raises its own error instead.
    """
    pending = set(tasks)
    give_up_at = asyncio.get_running_loop().time() + patience
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN)
        if asyncio.get_running_loop().time() > give_up_at:
            return not pending
    return True
