"""`signoff check`. The rules themselves are in tests/lint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

BAD = """\
from signoff import ask


def review(state):
    send_email(state["customer"])
    return {"fine": ask("Fine?", to="group:tax", otherwise="decline").approved}
"""


@pytest.fixture
def graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file that has three mistakes, and others that are nobody's concern."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "graphs" / ".venv").mkdir(parents=True)
    for path in ("graphs/review.py", "graphs/.venv/other.py", "graphs/notes.txt"):
        (tmp_path / path).write_text(BAD)
    (tmp_path / "graphs" / "empty.py").write_text("")
    (tmp_path / "signoff.toml").write_text('[[user]]\nname = "jane"\ngroups = ["legal"]\n')
    return tmp_path


def test_what_is_found_is_printed_with_its_place_and_fails(graphs: Path, anywhere: Cli):
    checked = anywhere("check")
    assert checked.code == 1
    *found, summary = checked.out.splitlines()
    assert [line.split(" ")[:2] for line in found] == [
        ["graphs/review.py:5:5:", "SO102"],
        ["graphs/review.py:6:37:", "SO205"],
        ["graphs/review.py:6:60:", "SO203"],
    ]
    assert summary == "3 findings in 2 files."
    assert anywhere("check", "graphs/empty.py").out == "No findings in 1 file.\n"


def test_programs_are_told_the_same(graphs: Path, anywhere: Cli):
    checked = anywhere("check", "--json", "graphs")
    said = json.loads(checked.out)
    assert (checked.code, said["files"]) == (1, 2)
    assert said["findings"][2] == {
        "path": "graphs/review.py",
        "line": 6,
        "column": 60,
        "code": "SO203",
        "message": "otherwise is 'decline'; the actions are 'approve', 'reject'",
    }


def test_rules_are_chosen_by_what_their_codes_begin_with(graphs: Path, anywhere: Cli):
    def left(*options: str) -> list[str]:
        checked = json.loads(anywhere("check", "--json", *options).out)
        return [each["code"] for each in checked["findings"]]

    assert left("--select", "SO1") == ["SO102"]
    assert left("--select", "so1,SO203") == ["SO102", "SO203"]
    assert left("--ignore", "SO2") == ["SO102"]
    assert left("--select", "SO2", "--ignore", "SO205") == ["SO203"]
    assert anywhere("check", "--select", "SO3").code == 0


def test_what_there_is_not_is_wrong_usage(graphs: Path, anywhere: Cli):
    for arguments in (["nowhere"], ["--select", "SO9"], ["--ignore", ""]):
        refused = anywhere("check", *arguments)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
