"""The feedback loop: as it is served, and as a script in the terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from signoff.domain.errors import InvalidAnswer
from tests.examples.conftest import EXAMPLES, Example
from tests.processes import environment

SEA = "There is a lot to say about the sea. Most of it was said before."


def run(said: str, database_url: str, topic: str) -> tuple[int, str]:
    """The script, with what is typed into it; its exit code and what it prints."""
    done = subprocess.run(
        [sys.executable, "main.py", topic],
        cwd=EXAMPLES / "feedback_loop",
        env=environment(database_url, {"SIGNOFF_EXAMPLE_MODEL": ""}),
        input=said,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_each_feedback_leads_to_a_new_version_until_yes(example: Example) -> None:
    assert example.start("feedback_loop", "yes", topic="the sea")["values"]["post"] == SEA
    with pytest.raises(InvalidAnswer):
        example.answer("yes", "feedback")
    example.answer("yes", "feedback", note="Shorter.")
    assert example.open("yes").payload["show"]["post"] == f"{SEA} Version 2 heeds this: Shorter."
    example.answer("yes", "feedback", note="Kinder.")
    done = example.answer("yes", "yes")
    assert done["values"]["status"] == "published"
    assert done["values"]["feedback"] == ["Shorter.", "Kinder."]
    assert done["values"]["post"].endswith("Version 3 heeds this: Kinder.")


def test_no_discards_it(example: Example) -> None:
    example.start("feedback_loop", "no", topic="the sea")
    assert example.answer("no", "no")["values"]["status"] == "discarded"


def test_the_script_goes_on_where_it_was_ended(module_database_url: str) -> None:
    code, printed = run("Shorter.\n\n", module_database_url, "the sea")
    assert code == 1
    assert f"{SEA} Version 2 heeds this: Shorter." in printed
    assert printed.endswith("It waits; the same command goes on here.\n")

    code, printed = run("Kinder.\nYES\n", module_database_url, "the sea")
    assert (code, printed.splitlines()[-1]) == (
        0,
        "Publish it? yes, no, or your feedback: It is published.",
    )
    assert "Version 3 heeds this: Kinder." in printed

    assert run("", module_database_url, "the sea") == (0, "It is published.\n")
