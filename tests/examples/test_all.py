"""What holds for every example."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from signoff.policies import reading
from tests.examples.conftest import EXAMPLES

FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/README.md"))
SCREEN = 60
"""Lines of a README that one still reads."""


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_example_has_a_readme_of_a_screen_a_run_and_a_test(folder: Path) -> None:
    readme = (folder / "README.md").read_text()
    assert len(readme.splitlines()) <= SCREEN
    assert "## Run it" in readme
    assert f"make example NAME={folder.name}" in readme or "make demo" in readme
    assert list((EXAMPLES.parent / "tests").glob(f"*/test_{folder.name}.py"))
    assert any((folder / name).exists() for name in ("signoff.toml", "main.py"))
    assert (folder / ".gitignore").read_text().splitlines()[0] == ".signoff/"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_commands_of_a_readme_name_graphs_that_are_there_and_send_json(folder: Path) -> None:
    config = folder / "signoff.toml"
    if config.exists():
        reading.load(config.read_text(), path=config)
    graphs = set(tomllib.loads(config.read_text()).get("graphs", {})) if config.exists() else set()
    if (folder / "langgraph.json").exists():
        graphs |= set(json.loads((folder / "langgraph.json").read_text())["graphs"])
    for block in re.findall(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL):
        words = shlex.split(block.replace("\\\n", " "), comments=True)
        for word, value in pairwise(words):
            if word == "start":
                assert value in graphs
            if word in ("--input", "--values", "-d"):
                json.loads(value)


def test_the_list_of_examples_has_them_all() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(\1\)", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [folder.name for folder in FOLDERS]
    assert len(listed) == 12, "and the README in the root says how many"
