"""What the garbage collector need not go through again and again.

LangGraph and what it builds on are some hundred thousand objects. Each full run of the collector
goes through all of them and stops every thread for a tenth of a second, about twice a second where
many runs are under way: an eighth of the time. See docs/adr/0009-the-garbage-collector.md.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_under_way = 0


@contextmanager
def set_aside() -> Iterator[None]:
    """Keep what is there already from the collector, for as long as the context lasts.

    What comes after is collected as ever. What was there before and is dropped meanwhile is freed
    at the end, if only the collector can free it. Of several at a time, the first sets aside and
    the last brings back; who has frozen objects before, for reasons of their own, keeps them so.
    """
    global _under_way
    if _under_way == 0 and gc.get_freeze_count():
        yield
        return
    if _under_way == 0:
        gc.freeze()
    _under_way += 1
    try:
        yield
    finally:
        _under_way -= 1
        if _under_way == 0:
            gc.unfreeze()
