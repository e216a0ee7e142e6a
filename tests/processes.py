"""Whole processes: `signoff dev`, `serve` and `worker` as a user starts them, and single commands.

Nothing here sleeps. A process is waited for by what it prints, or by its end; what it prints is
read all the time, so that it never waits for us.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

READY = re.compile(r"^Signoff(?: worker)? is ready(?: at (http://\S+))?$")
"""What a process prints once it answers, or takes runs."""

TIMEOUT = 60.0
"""Seconds that a process may take to print something, or to end."""

GRACE = 15.0
"""Seconds that what is left of a process after its test may take to end by itself."""


class Program:
    """A process of `signoff`, ended at the latest when its `with` block is left."""

    def __init__(
        self,
        *arguments: str,
        project: Path,
        database_url: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.arguments = arguments
        self._lines: list[str] = []
        self._ended = False
        self._more = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "signoff.cli", *arguments],
            cwd=project,
            env=environment(database_url, env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        children = self.children()
        if self.is_running():
            self.thaw()
            self.send(signal.SIGTERM)  # so that it stops a database that it has started
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
            self._process.kill()
            self._process.wait(TIMEOUT)
        for process in psutil.wait_procs(children, timeout=GRACE)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._reader.join(TIMEOUT)
        assert self._process.stdout is not None
        self._process.stdout.close()

    # What it prints.

    @property
    def output(self) -> str:
        """All that it has printed so far, on both its outputs."""
        with self._more:
            return "".join(self._lines)

    def wait_for(self, pattern: str | re.Pattern[str], *, times: int = 1) -> re.Match[str]:
        """The line that `pattern` is found in, once there is one; or so many of them, the last."""
        deadline = time.monotonic() + TIMEOUT
        with self._more:
            while True:
                found = [m for line in self._lines if (m := re.search(pattern, line.rstrip("\n")))]
                if len(found) >= times:
                    return found[times - 1]
                left = deadline - time.monotonic()
                if self._ended or left <= 0 or not self._more.wait(left):
                    raise AssertionError(
                        f"signoff {' '.join(self.arguments)} did not print {pattern!r}:\n"
                        + "".join(self._lines)
                    )

    def ready(self, *, times: int = 1) -> Self:
        """This process, once it is ready; with `times`, once it was started anew so often."""
        self.wait_for(READY, times=times)
        return self

    @property
    def url(self) -> str:
        """Where it answers."""
        found: str = self.wait_for(READY).group(1)
        return found

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._more:
                self._lines.append(line)
                self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()

    # What is done to it.

    @property
    def pid(self) -> int:
        """Its id; of `dev` with reload, that of the supervisor."""
        return self._process.pid

    def children(self) -> list[psutil.Process]:
        """The processes that it has started, and those that these have."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> int:
        """End it by SIGKILL, which no process can do anything about, and return once it is gone."""
        self._process.kill()
        return self._process.wait(TIMEOUT)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end, and return its exit code once it has."""
        self.send(number)
        return self.wait()

    def freeze(self) -> None:
        """Have it stand still (SIGSTOP), and return once it does."""
        self.send(signal.SIGSTOP)
        deadline = time.monotonic() + TIMEOUT
        while psutil.Process(self.pid).status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline, "it does not stand still"

    def thaw(self) -> None:
        """Have it go on (SIGCONT)."""
        self.send(signal.SIGCONT)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Its exit code, once it has ended and all that it printed was read."""
        code = self._process.wait(timeout)
        self._reader.join(timeout)
        return code

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None


def dev(*options: str, project: Path, database_url: str | None = None, **env: str) -> Program:
    """`signoff dev` on a free port."""
    return Program(
        "dev", "--port", "0", *options, project=project, database_url=database_url, env=env
    )


def serve(*options: str, project: Path, database_url: str | None = None, **env: str) -> Program:
    """`signoff serve` on a free port. It starts where somebody is let in: see `tests.people`."""
    return Program(
        "serve", "--port", "0", *options, project=project, database_url=database_url, env=env
    )


def worker(*options: str, project: Path, database_url: str | None = None, **env: str) -> Program:
    """`signoff worker`."""
    return Program("worker", *options, project=project, database_url=database_url, env=env)


@contextmanager
def all_ready(*programs: Program) -> Iterator[Sequence[Program]]:
    """Processes that were started side by side, once all of them are ready."""
    try:
        for program in programs:
            program.ready()
        yield programs
    finally:
        for program in programs:
            program.__exit__(None, None, None)


def command(
    *arguments: str,
    project: Path,
    database_url: str | None = None,
    stdin: str = "",
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself, with its exit code and what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "signoff.cli", *arguments],
        cwd=project,
        env=environment(database_url, env),
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )


def answer(*arguments: str, project: Path, database_url: str | None = None, **env: str) -> Any:
    """What a command that has to succeed prints with `--json`."""
    done = command(*arguments, "--json", project=project, database_url=database_url, **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def environment(database_url: str | None, env: Mapping[str, str] | None) -> dict[str, str]:
    """The environment of a process: ours, without what it says of Signoff."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    if database_url is not None:
        own["SIGNOFF_DATABASE_URL"] = database_url
    return {**own, **(env or {})}
