"""The reference describes every command, every option and every setting; and help costs little."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from signoff.cli.app import COMMANDS, load
from signoff.config import Settings
from signoff.openid.settings import OpenIdSettings
from tests.cli.conftest import Cli
from tests.test_import import modules_after

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def sections(file: str) -> dict[str, str]:
    """What stands under each `### signoff command`."""
    parts = re.split(r"^### `signoff ([\w -]+)`$", (DOCS / file).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_is_documented_and_nothing_else():
    assert sections("cli.md").keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_documented(name: str):
    text = sections("cli.md")[name]
    described = set(re.findall(r"--[a-z-]+", text))
    options = {
        option
        for param in load(name).params
        if not getattr(param, "hidden", False)
        for option in [*param.opts, *param.secondary_opts]
        if option.startswith("--")
    } - {"--help", "--reload"}
    assert described == options


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_all_commands_says_what_each_ones_own_does(name: str):
    assert load(name).help.startswith(COMMANDS[name].removesuffix("."))


def settings_table(heading: str) -> list[tuple[str, str]]:
    """The settings that the table under a heading lists, with their defaults."""
    parts = re.split(r"^##? (.+)$", (DOCS / "settings.md").read_text(), flags=re.MULTILINE)
    text = dict(zip(parts[1::2], parts[2::2], strict=True))[heading]
    return re.findall(r"^\| `(\w+)` \| (.*?) ?\|", text, re.MULTILINE)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(name: str):
    rows = settings_table("Settings")
    assert [row for row, _ in rows] == list(Settings.model_fields)
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    said = dict(rows)[name].strip("`")
    if isinstance(default, int | float | str | Path):
        assert said == str(default).lower()
    elif default and not isinstance(default, BaseModel):
        assert Settings(**{name: said}) == Settings()


def test_every_setting_of_an_openid_provider_is_documented_with_its_default():
    rows = dict(settings_table("`[oidc]`"))
    assert list(rows) == list(OpenIdSettings.model_fields)
    for name, field in OpenIdSettings.model_fields.items():
        said = rows[name].strip("`")
        if field.is_required():
            assert said == ""
        elif default := field.get_default(call_default_factory=True):
            assert said == (default if isinstance(default, str) else json.dumps(default))
        else:
            assert said in ("none", "all", "false") or said.startswith("the "), name


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["version"]])
def test_help_and_version_load_nothing_of_a_server(arguments: list[str]):
    loaded = modules_after(
        f"""
import contextlib, io
from signoff.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main({arguments}) == 0
"""
    )
    assert "signoff.cli.app" in loaded
    assert not loaded & {"langgraph", "psycopg", "fastapi", "procrastinate", "uvicorn"}


def test_supervising_loads_nothing_of_what_is_supervised():
    loaded = modules_after("import signoff.cli.app, signoff.cli.dev")
    assert "signoff.cli.supervisor" in loaded
    assert not loaded & {"langgraph", "psycopg", "fastapi", "uvicorn", "signoff.config"}


def test_a_process_looks_for_garbage_except_among_what_it_began_with(anywhere: Cli):
    program = """
import gc, sys
from signoff.cli import main
sys.argv[1:] = ["version"]
assert main() == 0
assert gc.isenabled() and gc.get_freeze_count() > 10_000
"""
    subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=True)
    assert anywhere("version").code == 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0  # it is not all that this process does


def test_wrong_usage_is_one_line_and_2(anywhere: Cli):
    for arguments in (
        ["shwo"],
        ["decide"],
        ["inbox", "--limit", "0"],
        ["--nonsense"],
        ["show", "-x"],
    ):
        misused = anywhere(*arguments)
        assert (misused.code, misused.out, misused.err.count("\n")) == (2, "", 1)
        assert misused.err.startswith("signoff")
        assert "--help" in misused.err
    assert "Did you mean 'show'?" in anywhere("shwo").err
    assert '"code": "usage"' in anywhere("decide", "--json").err


def test_version_is_that_of_the_package(anywhere: Cli):
    printed = anywhere("version").out
    assert re.fullmatch(r"signoff \d+\.\d+\.\d+\S*\n", printed)
    assert anywhere("--version").out == printed
    assert anywhere("version", "--json").json["signoff"] in printed


def test_whoever_reads_may_stop_reading():
    program = "import sys; from signoff.cli import main; sys.exit(main(['version']))"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=nobody, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")
