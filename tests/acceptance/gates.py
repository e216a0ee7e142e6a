"""Where the nodes of the processes under test are, and the word that they wait for.

Every node connects to a Unix socket at each of its places, says where it is, and goes on when it
is answered. So a test knows of each step the moment it is taken, and can have a process stand at
any of them for as long as it likes. A process that is killed just drops its line.
"""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

TIMEOUT = 30.0
"""Seconds after which something that should have happened did not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A node has come to a place: on which thread, in which process, and when (`time.time()`)."""

    place: str
    thread_id: str
    pid: int
    at: float


class Gates:
    """All gates stand open until a test closes them, each for one place on one thread."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self._closed: set[tuple[str, str]] = set()
        self._held: list[tuple[Arrival, socket.socket]] = []
        self._changed = threading.Condition()
        self._ended = False
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        # Not in the test's own folder: the path of a socket has at most some hundred characters.
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="signoff-"))
        self.path = Path(folder) / "gates"
        self._listener = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        self._listener.bind(str(self.path))
        self._listener.listen(256)
        thread = threading.Thread(target=self._accept, name="gates")
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(self._hang_up)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def close(self, place: str, threads: Iterable[str]) -> None:
        """Have whoever comes to this place on one of these threads stand there."""
        with self._changed:
            self._closed |= {(place, thread_id) for thread_id in threads}

    def open(self) -> None:
        """Open all gates, and let all go on who stand there."""
        with self._changed:
            self._closed.clear()
        self.let_go_on()

    def let_go_on(self, pid: int | None = None) -> None:
        """Let all go on who stand at a gate, or those of one process."""
        with self._changed:
            held, self._held = self._held, []
            for arrival, line in held:
                if pid in (None, arrival.pid):
                    self._let_go_on(line)
                else:
                    self._held.append((arrival, line))

    def wait(self, place: str, thread_id: str, *, times: int = 1) -> Arrival:
        """The arrival at this place on this thread, once it has come; the second, the third."""
        with self._changed:
            there = self._changed.wait_for(
                lambda: len(self.visits(place, thread_id)) >= times, TIMEOUT
            )
            assert there, (
                f"{thread_id} did not come to {place!r} {times} times; it has been at "
                f"{[a.place for a in self.arrivals if a.thread_id == thread_id]}"
            )
            return self.visits(place, thread_id)[times - 1]

    def more(self, number: int) -> None:
        """Return once so many more have come, to whatever place; or nobody comes any more."""
        with self._changed:
            wanted = len(self.arrivals) + number
            self._changed.wait_for(lambda: len(self.arrivals) >= wanted, 2)

    def visits(self, place: str, thread_id: str) -> list[Arrival]:
        """How often this place was come to on this thread, in order."""
        with self._changed:
            return [a for a in self.arrivals if (a.place, a.thread_id) == (place, thread_id)]

    def _accept(self) -> None:
        while True:
            line, _ = self._listener.accept()
            line.settimeout(TIMEOUT)
            said = line.makefile().readline()
            if self._ended:
                line.close()
                for _, held in self._held:
                    held.close()
                return
            if not said:  # its process was killed at that moment
                line.close()
                continue
            arrival = Arrival(**json.loads(said))
            with self._changed:
                self.arrivals.append(arrival)
                if (arrival.place, arrival.thread_id) in self._closed:
                    self._held.append((arrival, line))
                else:
                    self._let_go_on(line)
                self._changed.notify_all()

    def _hang_up(self) -> None:
        """End the thread that accepts, by a line on which nothing is said."""
        self._ended = True
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.path))

    @staticmethod
    def _let_go_on(line: socket.socket) -> None:
        with line, suppress(OSError):
            line.sendall(b"!")
