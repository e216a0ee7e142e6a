"""Running a project's process anew whenever the project changes.

The supervisor imports nothing of what it runs, so that it stays small and no mistake in a project
can end it.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path

from signoff.cli.project_files import ProjectFiles, changes
from signoff.cli.signals import ending

PROJECT_BROKEN = 3
"""The exit code by which a process says that the project has to change before it can run."""

PATIENCE = 30.0
"""Seconds that a process which was told to stop may take."""


class _Event(Enum):
    CHANGED = auto()
    ENDED = auto()
    STOP = auto()


class Supervisor:
    """Keeps a process running on the newest files of a project."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._stopping = threading.Event()
        self._child: _Child | None = None
        self._listener: socket.socket | None = None
        self._address: list[str] = []

    def run(self) -> int:
        """Supervise until told to stop, or until the process cannot even start; the exit code.

        One that answered and was killed, as where memory runs out, is started again at once; one
        that ended by itself would do so again, and waits for a change.
        """
        for each in ending():
            signal.signal(each, self._on_signal)
        was_ready = False
        while True:
            files = ProjectFiles.of(self._folder)
            self._child = child = _Child([*self._command, *self._address], self._listener)
            event = self._watch(files, child)
            code = child.stop()
            was_ready = was_ready or child.listener is not None
            # Held here, so that its successor can listen there too, and calls only wait.
            self._listener = child.listener or self._listener
            if event is _Event.STOP:
                return 0
            if event is _Event.ENDED:
                if code < 0 and child.listener is not None:
                    _say(f"the project's process was ended by {_signal(-code)}, starting again")
                    continue
                if code != PROJECT_BROKEN and not was_ready:
                    return code
                self._close()
                _say("waiting for a change in the project")
                if self._watch(files, None) is _Event.STOP:
                    return 0

    def _watch(self, files: ProjectFiles, child: _Child | None) -> _Event:
        """Wait until the project is not what it was, or something happens to us or to the child."""
        for changed in changes(self._folder, files, self._stopping):
            if changed:
                _say(f"{_named(changed, self._folder)} changed, starting again")
                return _Event.CHANGED
            if child is not None and child.look():
                return _Event.ENDED
        return _Event.STOP

    def _close(self) -> None:
        """Have callers refused while nobody would answer; the next process listens there again."""
        if self._listener is not None:
            host, port = self._listener.getsockname()[:2]
            self._address = ["--host", host, "--port", str(port)]
            self._listener.close()
            self._listener = None

    def _on_signal(self, number: int, _: object) -> None:
        if self._stopping.is_set() and self._child is not None:
            self._child.kill()
        self._stopping.set()


class _Child:
    """One process. It sends what it listens on once it does, and ends when its supervisor does."""

    def __init__(self, command: Sequence[str], listener: socket.socket | None) -> None:
        self.listener: socket.socket | None = None
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        handles = [theirs.fileno()]
        inherited = []
        if listener is not None:
            handles.append(listener.fileno())
            inherited = ["--listener", str(listener.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                [*command, "--supervisor", str(theirs.fileno()), *inherited],
                stdin=subprocess.DEVNULL,
                pass_fds=handles,
                start_new_session=True,  # a Ctrl-C in the terminal reaches it once, from here
            )

    def look(self) -> bool:
        """Whether it has ended; and take what it sends."""
        if self.listener is None:
            try:
                _, handles, _, _ = socket.recv_fds(self._line, 1, 1)
            except BlockingIOError:
                handles = []
            if handles:
                self.listener = socket.socket(fileno=handles[0])
        return self._process.poll() is not None

    def stop(self) -> int:
        """Have it end gracefully; its exit code."""
        self.look()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        self._line.close()
        return self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def _named(changed: Sequence[Path], folder: Path) -> str:
    first = changed[0]
    name = str(first.relative_to(folder) if first.is_relative_to(folder) else first)
    return name if len(changed) == 1 else f"{name} and {len(changed) - 1} more"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _say(text: str) -> None:
    print(f"signoff: {text}", file=sys.stderr, flush=True)
