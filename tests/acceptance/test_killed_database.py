"""kill -9 of PostgreSQL, which the processes that use it start again, and go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.site import Site, kill_postgres, payments

BACK = "the listening connection is back"


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server and two workers on an embedded PostgreSQL."""
    with Site(tmp_path_factory.mktemp("embedded"), None, takeover="3s") as site:
        yield site


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The site, with all its processes running."""
    shared_site.have(workers=2, servers=1)
    yield shared_site
    shared_site.gates.open()


def kill_database(site: Site) -> Callable[[], None]:
    """kill -9 of the PostgreSQL of a site; waits, when called, until all processes have it back."""
    programs = site.running("worker", "serve")
    before = [program.output.count(BACK) for program in programs]
    kill_postgres(site.embedded)

    def wait() -> None:
        for program, times in zip(programs, before, strict=True):
            program.wait_for(BACK, times=times + 1)

    return wait


@pytest.mark.parametrize("graph", ["payment", "payment_async"])
def test_a_pause_that_comes_after_it_is_not_lost(site: Site, graph: str) -> None:
    threads = site.new_threads(4)
    site.gates.close("prepare", threads)
    site.begin(threads, graph)
    for thread_id in threads:
        site.gates.wait("prepare", thread_id)
    recovered = kill_database(site)
    site.gates.open()
    recovered()
    site.paused(threads)
    site.decide(threads)
    site.done(threads)


@pytest.mark.parametrize(
    ("place", "graph"),
    [("reviewed", "payment"), ("paying", "payment_async"), ("paid", "payment")],
)
def test_an_answer_that_is_under_way_arrives(site: Site, place: str, graph: str) -> None:
    threads = site.begin(site.new_threads(4), graph)
    site.paused(threads)
    site.gates.close(place, threads)
    site.decide(threads)
    for thread_id in threads:
        site.gates.wait(place, thread_id)
    recovered = kill_database(site)
    site.gates.open()
    site.done(threads)
    recovered()


def test_a_decision_that_was_just_accepted_is_delivered(site: Site) -> None:
    threads = site.begin(site.new_threads(4))
    site.paused(threads)
    site.decide(threads)
    recovered = kill_database(site)
    site.done(threads)
    recovered()


def test_nodes_that_outlast_it_are_not_run_again(tmp_path: Path) -> None:
    # Whoever is without a database for as long as a lease lasts has lost its threads to others.
    with Site(tmp_path, None, takeover="2m") as site:
        site.have(workers=1, servers=1)
        threads = site.begin(site.new_threads(4))
        site.paused(threads)
        site.gates.close("finalize", threads)
        site.decide(threads)
        for thread_id in threads:
            site.gates.wait("finalize", thread_id)
        # What the step before has left is written while the node begins, and what it streams comes
        # last: a run whose writes fail would begin again from there.
        site.until(
            """
            SELECT 1 FROM stream_events
             WHERE thread_id = ANY(%s) AND event = 'values' AND data LIKE '%%"review"%%'
            HAVING count(DISTINCT thread_id) = %s
            """,
            threads,
            len(threads),
        )
        recovered = kill_database(site)
        recovered()
        site.gates.open()
        site.done(threads)
        for thread_id in threads:
            assert len(site.gates.visits("finalize", thread_id)) == 1
            assert payments(site.effects)[thread_id] == {"performed": 1}


def test_all_is_killed_at_once(site: Site) -> None:
    threads = site.begin(site.new_threads(4))
    site.paused(threads)
    site.gates.close("reviewed", threads)
    site.decide(threads)
    for thread_id in threads:
        site.gates.wait("reviewed", thread_id)
    for program in site.running("worker", "serve"):
        program.kill()
    kill_database(site)
    site.gates.open()
    site.have(workers=1, servers=1)
    site.done(threads)
