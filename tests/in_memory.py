"""Temporary files in memory, where the system has enough of it.

Each test has a database of its own, and each database is a thousand files: on a disk these take ten
times as long to make. `TMPDIR` has the last word.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory."""

ENOUGH = 4 * 1024**3
"""Bytes that have to be free; all processes of a session together need a fourth of them."""


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Before anything is put into a temporary folder."""
    if "TMPDIR" not in os.environ and has_room(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)  # of the processes that tests start too
        tempfile.tempdir = None  # to be found out again


def has_room(folder: Path) -> bool:
    """Whether all that tests write fits into a folder."""
    return os.access(folder, os.W_OK | os.X_OK) and shutil.disk_usage(folder).free >= ENOUGH
