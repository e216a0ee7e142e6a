"""Where tests write."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests import in_memory


@pytest.fixture(autouse=True)
def undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said about temporary files; there is one folder of the test already."""
    monkeypatch.setenv("TMPDIR", "/to/be/put/back")
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr(tempfile, "tempdir", "/somewhere")


def test_temporary_files_are_where_there_is_enough_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(in_memory, "MEMORY", tmp_path)
    monkeypatch.setattr(in_memory, "ENOUGH", 1)
    in_memory.pytest_load_initial_conftests()
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(tmp_path)


@pytest.mark.parametrize("why", ["no room", "no folder", "set"])
def test_they_stay_where_they_were_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
):
    monkeypatch.setattr(in_memory, "MEMORY", tmp_path / "none" if why == "no folder" else tmp_path)
    monkeypatch.setattr(in_memory, "ENOUGH", 2**80 if why == "no room" else 1)
    if why == "set":
        monkeypatch.setenv("TMPDIR", "/elsewhere")
    in_memory.pytest_load_initial_conftests()
    assert os.environ.get("TMPDIR") == ("/elsewhere" if why == "set" else None)
    assert tempfile.tempdir == "/somewhere"
