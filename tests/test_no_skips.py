"""Continuous integration does not let a test be skipped."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPING = """
import pytest

@pytest.mark.skip(reason="no browser here")
def test_by_a_mark():
    pass

@pytest.mark.skipif("True", reason="no network here")
def test_by_a_condition():
    pass

def test_from_within():
    pytest.skip("no patience here")

@pytest.mark.xfail(strict=True)
def test_known_to_fail():
    assert False

def test_that_runs():
    pass
"""


def run(tests: Path, *, ci: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.no_skips", "-c", os.devnull, "-ra", tests],
        cwd=tests.parent,
        env={**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def closing_line(output: str) -> dict[str, int]:
    counts = re.findall(r"(\d+) (\w+)", output.strip().splitlines()[-1].split(" in ")[0])
    return {what.rstrip("s"): int(number) for number, what in counts}


@pytest.fixture
def skipping(tmp_path: Path) -> Path:
    path = tmp_path / "test_skipping.py"
    path.write_text(SKIPPING)
    return path


def test_every_skip_is_a_failure_that_is_named(skipping: Path) -> None:
    result = run(skipping, ci="true")
    assert result.returncode == 1
    assert closing_line(result.stdout) == {"passed": 1, "failed": 1, "error": 2, "xfailed": 1}
    for name, reason in {
        "test_by_a_mark": "no browser here",
        "test_by_a_condition": "no network here",
        "test_from_within": "no patience here",
    }.items():
        assert re.search(rf"^(ERROR|FAILED) .*::{name}", result.stdout, re.MULTILINE)
        assert f"{reason} (a skipped test is a failure when CI=true)" in result.stdout


def test_a_skipped_module_is_a_failure_too(tmp_path: Path) -> None:
    path = tmp_path / "test_module.py"
    path.write_text('import pytest\npytest.importorskip("no_such_module_at_all")\n')
    result = run(path, ci="true")
    assert result.returncode != 0
    assert "no_such_module_at_all" in result.stdout
    assert closing_line(result.stdout) == {"error": 1}


@pytest.mark.parametrize("ci", ["", "false"])
def test_elsewhere_a_skip_is_a_skip(skipping: Path, ci: str) -> None:
    result = run(skipping, ci=ci)
    assert result.returncode == 0
    assert closing_line(result.stdout) == {"passed": 1, "skipped": 3, "xfailed": 1}
