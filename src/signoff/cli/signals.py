"""The signals that ask a process to end."""

from __future__ import annotations

import signal


def ending() -> list[signal.Signals]:
    """SIGTERM, Ctrl-C and the end of the terminal, unless `nohup` has that ignored."""
    asked = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asked.append(signal.SIGHUP)
    return asked
