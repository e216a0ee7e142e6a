"""Which files of a project its process has to be started anew for."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from watchfiles import watch

from signoff.domain.errors import ConfigError
from signoff.project import CONFIG_FILE, LANGGRAPH_FILE, LangGraphJson

NOT_OURS = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})
"""Folders that are not looked into, and neither are hidden ones and virtual environments."""

MOST = 5_000
"""Folders that are watched at most."""

TICK = 250
"""Milliseconds between two looks at other things than files."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """The Python files of a project and of the folders it depends on, and its configuration.

    Folders are watched one by one: what a database, a package manager or an environment writes in
    between is then never even looked at.
    """

    folders: frozenset[Path]
    configuration: frozenset[Path]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """What to watch, as the project stands."""
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
        folders |= {path.parent for path in configuration if path.parent.is_dir()}
        return cls(frozenset(folders), frozenset(configuration))

    def matter(self, path: Path) -> bool:
        """Whether a change of this file changes what the process does."""
        return path.suffix == ".py" or path in self.configuration

    def outdated(self, changed: Iterable[Path]) -> bool:
        """Whether there are folders by now that are not watched, or some are gone."""
        return any(path in self.folders or (path.is_dir() and _is_ours(path)) for path in changed)


def changes(folder: Path, stop: threading.Event) -> Iterator[list[Path]]:
    """The files of a project that have changed, whenever some have, and nothing every so often.

    It ends once `stop` is set.
    """
    files = ProjectFiles.of(folder)
    polling: bool | None = None  # only where the system cannot tell, or not of so many
    while not stop.is_set():
        try:
            for found in watch(
                *files.folders,
                watch_filter=None,
                stop_event=stop,
                rust_timeout=TICK,
                yield_on_timeout=True,
                raise_interrupt=False,
                force_polling=polling,
                recursive=False,
            ):
                changed = {Path(path) for _, path in found}
                yield sorted(path for path in changed if files.matter(path))
                if files.outdated(changed):
                    break
        except FileNotFoundError:
            pass  # a folder went while we were looking for them
        except (OSError, RuntimeError) as error:
            if polling:
                raise
            log.warning("looking at files one by one, because they cannot be watched: %s", error)
            polling = True
        before, files = files, ProjectFiles.of(folder)
        # What was written into a new folder before it was watched.
        yield sorted(each for new in files.folders - before.folders for each in new.glob("*.py"))


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
