"""In continuous integration a skipped test is a failure: what was not run was not shown to work.

Only with `CI=true`. The report of a skip becomes a failure that names its reason, so the session
is red and its summary says which test it was. An expected failure (`xfail`) was run and stays.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

ACTIVE = os.environ.get("CI", "").lower() == "true"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that was skipped, by a mark or from within."""
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole module that was skipped, by `importorskip` or from its top level."""
    report = yield
    _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    if ACTIVE and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason} (a skipped test is a failure when CI=true)"
