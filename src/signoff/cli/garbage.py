"""The garbage collector while a process starts.

What a process loads stays as long as it runs. To look for garbage among all that, again and again
while it grows and once more at the end, would take a third of the time of most commands.
"""

from __future__ import annotations

import gc


def leave() -> None:
    """Look for no garbage until `look`: what comes now stays."""
    gc.disable()


def look(*, first: bool = False) -> None:
    """Look for garbage from now on, but not among what was left; `first`, once among that too.

    What was left is out of its sight for good: going through modules and graphs with every full
    collection would hold all work up for a tenth of a second. Without a `leave` before, nothing
    changes.
    """
    if gc.isenabled():
        return
    if first:
        gc.collect()
    gc.freeze()
    gc.enable()
