"""A worker that is told to stop (SIGTERM) in the middle of a node."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.acceptance.conftest import OpenSite
from tests.acceptance.site import Site
from tests.processes import Program

LEASE = timedelta(seconds=10)
"""By default a worker holds a thread for so long after it was last heard of."""


def at_work(site: Site, graph: str = "payment") -> tuple[Sequence[str], Program]:
    """Threads that stand in a node of the first worker; another one is ready."""
    site.have(workers=1, servers=1)
    threads = site.begin(site.new_threads(2), graph)
    site.paused(threads)
    site.gates.close("reviewed", threads)
    site.decide(threads)
    for thread_id in threads:
        site.gates.wait("reviewed", thread_id)
    site.have(workers=2)
    return threads, site.running("worker")[0]


def test_it_lets_its_runs_end(open_site: OpenSite) -> None:
    with open_site() as site:
        threads, worker = at_work(site)
        worker.send(signal.SIGTERM)
        worker.wait_for("stopping")
        site.gates.open()
        assert worker.wait() == 0
        site.done(threads)
        for thread_id in threads:
            [once] = site.gates.visits("finalize", thread_id)
            assert once.pid == worker.pid


@pytest.mark.parametrize(
    ("number", "graph"), [(signal.SIGTERM, "payment"), (signal.SIGINT, "payment_async")]
)
def test_it_hands_over_what_takes_too_long_and_another_goes_on_at_once(
    open_site: OpenSite, number: signal.Signals, graph: str
) -> None:
    with open_site(shutdown_grace="0.5s") as site:
        threads, worker = at_work(site, graph)
        [_, other] = site.running("worker")
        told_at = time.time()
        worker.send(number)
        for thread_id in threads:
            again = site.gates.wait("reviewed", thread_id, times=2)
            assert again.pid == other.pid
            assert timedelta(seconds=again.at - told_at) < LEASE / 2
        assert worker.wait(10) == 0  # though its nodes still stand where they stood
        site.gates.open()
        site.done(threads)
