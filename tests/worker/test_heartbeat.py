"""The heartbeat: told of once where it cannot renew, and over where the worker was buried."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any, Self

from structlog.testing import capture_logs

from signoff.worker.heartbeat import Heartbeat
from tests.helpers import TIMEOUT


class Renewals:
    """What renewing comes to, one time after the other."""

    def __init__(self, *answers: bool | None) -> None:
        self.answers = list(answers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def renew(self) -> bool | None:
        return self.answers.pop(0)


def test_a_database_that_is_away_is_told_of_once_each_time() -> None:
    renewals: Any = Renewals(None, None, None, True, None, None, False)
    buried = threading.Event()
    with capture_logs() as logs:
        Heartbeat(renewals, timedelta(seconds=0.03), buried.set).start()
        assert buried.wait(TIMEOUT)
    assert [each["event"] for each in logs] == [
        "cannot renew the lease, trying again until it works"
    ] * 2
    assert renewals.answers == []
