"""What a program hears of Signoff that has Signoff inside."""

from __future__ import annotations

import subprocess
import sys

LINES = """
from signoff.log import get_logger

log = get_logger("signoff.part")
log.info("anchored the audit", number=1)
log.warning("run failed", thread_id="t", exception="Traceback: 100 %")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("a duty failed", duty="deadlines")
"""


def said(before: str = "", after: str = "") -> tuple[str, str]:
    """What a program with these lines says on standard output, and on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", before + LINES + after], capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


def test_a_program_without_logging_hears_of_warnings_and_of_nothing_on_its_output() -> None:
    out, err = said()
    assert out == ""
    assert err.startswith(
        "run failed thread_id=t\nTraceback: 100 %\na duty failed duty=deadlines\n"
    )
    assert err.endswith("ZeroDivisionError: division by zero\n")
    assert "anchored" not in err


def test_a_program_with_logging_has_it_as_it_likes() -> None:
    set_up = "import logging\nlogging.basicConfig(level='INFO', format='%(name)s %(message)s')\n"
    out, err = said(set_up + "logging.getLogger('signoff').setLevel('INFO')\n")
    assert (out, err.splitlines()[0]) == ("", "signoff.part anchored the audit number=1")
    out, err = said(set_up + "logging.getLogger('signoff').setLevel('CRITICAL')\n")
    assert (out, err) == ("", "")


def test_a_program_with_structlog_has_it_there_also_if_it_is_configured_later() -> None:
    configured = (
        "import structlog\nstructlog.configure(processors=[structlog.processors.JSONRenderer()])\n"
    )
    out, err = said(configured)
    assert '{"number": 1, "event": "anchored the audit"}' in out
    assert err == ""
    assert said(after=configured + "log.info('later')")[0] == '{"event": "later"}\n'


def test_what_cannot_be_written_is_written_as_what_it_is() -> None:
    strictly = "logging.FileHandler('/dev/stdout', encoding='utf-8')"
    to_a_file = f"import logging\nlogging.basicConfig(handlers=[{strictly}])\n"
    out, err = said(to_a_file, "log.warning('run failed', exception='a \\ud800 of a graph')")
    assert "run failed\na \\ud800 of a graph" in out
    assert err == ""


def test_nothing_that_is_logged_has_a_say_in_what_a_terminal_does() -> None:
    configured = "from signoff.cli import logs\nlogs.configure('info', 'text')\n"
    bad = (
        "log.warning('run \\x1b[2J failed', issuer='\\x1b]0;evil\\x07')\n"
        "import logging\nlogging.getLogger('other').warning('said %s', '\\x9b31m')\n"
        "try:\n    raise ValueError('\\x1b[8m')\n"
        "except ValueError:\n    log.exception('a graph failed')\n"
    )
    out, err = said(configured, bad)
    assert out == ""
    assert not set(err) & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}
    assert err.count("\\x1b") == 3
    assert err.count("\\x9b") == 1
