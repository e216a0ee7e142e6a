"""Let go of what LangGraph leaves behind at a pause.

The frame that runs a step keeps the traceback of the pause in a variable, and the traceback keeps
the frame: a cycle of references, with all that the run has held, some three hundred objects. Only
a full run of the garbage collector frees those, and it stops everything while it goes through all
modules. So the cycle is broken as the run ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from traceback import walk_tb

from langgraph.errors import GraphInterrupt
from langgraph.pregel._runner import PregelRunner

_STEPS = {PregelRunner.tick.__code__, PregelRunner.atick.__code__}


def let_go(pauses: Iterable[GraphInterrupt]) -> None:
    """Empty the frames of the steps that these pauses have ended."""
    for pause in pauses:
        for frame, _ in walk_tb(pause.__traceback__):
            if frame.f_code in _STEPS:
                with suppress(RuntimeError):  # it still runs
                    frame.clear()
