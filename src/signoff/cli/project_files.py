"""Which files of a project its process has to be started anew for."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from watchfiles import watch

from signoff.domain.errors import ConfigError
from signoff.project.files import CONFIG_FILE, LANGGRAPH_FILE, LangGraphJson

NOT_OURS = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})
"""Folders that are not looked into, and neither are hidden ones and virtual environments."""

MOST = 5_000
"""Folders that are watched at most."""

TICK = 250
"""Milliseconds between two looks at other things than files."""

log = logging.getLogger(__name__)


Version = tuple[int, int]
"""By what one sees that a file has changed: the time of its last change in ns, and its size."""


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """The Python files of a project and of the folders it depends on, and its configuration.

    Folders are watched one by one: what a database, a package manager or an environment writes in
    between is then never even looked at.
    """

    folders: frozenset[Path]
    versions: Mapping[Path, Version]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """All of them, as they are now."""
        configuration = {folder / CONFIG_FILE, folder / LANGGRAPH_FILE}
        roots = {folder}
        try:
            langgraph = LangGraphJson.read(folder / LANGGRAPH_FILE)
        except ConfigError:
            pass  # whoever starts from it says so, and waits for it to change
        else:
            roots |= {(folder / each).resolve() for each in langgraph.dependencies}
            roots |= {
                (folder / target.rpartition(":")[0]).resolve().parent
                for target in langgraph.graphs.values()
                if target.rpartition(":")[0].endswith(".py")
            }
            if isinstance(langgraph.env, str) and langgraph.env:
                configuration.add((folder / langgraph.env).resolve())
        folders = {path for root in roots if root.is_dir() for path in _folders(root)}
        files = {path for each in folders for path in each.glob("*.py")} | configuration
        folders |= {path.parent for path in configuration if path.parent.is_dir()}
        found = ((path, _version(path)) for path in files)
        return cls(frozenset(folders), {path: version for path, version in found if version})

    def changed_until(self, later: ProjectFiles) -> list[Path]:
        """The files that came, went or changed from these to those."""
        return sorted(
            path
            for path in self.versions.keys() | later.versions.keys()
            if self.versions.get(path) != later.versions.get(path)
        )


def changes(folder: Path, since: ProjectFiles, stop: threading.Event) -> Iterator[list[Path]]:
    """The files of a project that changed `since`, whenever some have; and nothing every so often.

    It ends once `stop` is set.
    """
    known = since
    polling: bool | None = None  # only where the system cannot tell, or not of so many
    while not stop.is_set():
        watched = ProjectFiles.of(folder).folders
        unsure = True  # what happened before we watched, nobody tells
        try:
            for events in watch(
                *watched,
                watch_filter=None,
                stop_event=stop,
                rust_timeout=TICK,
                yield_on_timeout=True,
                force_polling=polling,
                recursive=False,
            ):
                if not events and not unsure:
                    yield []
                    continue
                unsure = False
                before, known = known, ProjectFiles.of(folder)
                yield before.changed_until(known)
                if known.folders != watched:
                    break
        except FileNotFoundError:
            pass  # a folder went just before we would watch it
        except (OSError, RuntimeError) as error:
            if polling:
                raise
            log.warning("looking at files one by one, because they cannot be watched: %s", error)
            polling = True


def _version(file: Path) -> Version | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _folders(root: Path) -> list[Path]:
    found: list[Path] = []
    for path, inner, _ in os.walk(root):
        found.append(Path(path))
        inner[:] = [name for name in inner if _is_ours(Path(path, name))]
        if len(found) >= MOST:
            break
    return found


def _is_ours(folder: Path) -> bool:
    name = folder.name
    return not (name.startswith(".") or name in NOT_OURS or os.path.lexists(folder / "pyvenv.cfg"))
