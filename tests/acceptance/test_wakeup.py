"""What is decided at a server is heard of by a worker: by being told, not by looking now and then.

These workers do not poll (see `payments/graph.py`), so a wake-up that got lost would be seen. How
soon they hear of it is measured in `bench/`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from signoff.service.wait import LOOK_AGAIN
from tests.acceptance.site import Site

DECISIONS = 48


@pytest.fixture(scope="module")
def site(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server, and two workers that do not poll."""
    with Site(tmp_path_factory.mktemp("site"), module_database_url) as opened:
        opened.server()
        for _ in range(2):
            opened.worker(POLL="600")
        opened.have(servers=1)
        yield opened


@pytest.mark.parametrize("at_once", [1, 16])
def test_no_wake_up_is_lost(site: Site, at_once: int) -> None:
    threads = site.begin(site.new_threads(DECISIONS))
    site.paused(threads)

    def decide(thread_id: str) -> float:
        with site.http() as http:
            site.decide_one(http, thread_id)
        accepted_at = time.time()
        return site.gates.wait("review", thread_id, times=2).at - accepted_at

    with ThreadPoolExecutor(at_once) as pool:
        took = list(pool.map(decide, threads))
    site.done(threads)
    assert max(took) < LOOK_AGAIN
