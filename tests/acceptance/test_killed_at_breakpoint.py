"""kill -9 of workers around a breakpoint: the values and going on from there are one step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.acceptance.site import Site, assert_paid_once

GRAPH = "payment_at_breakpoint"


@pytest.fixture(scope="module")
def site(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server, and workers that are taken for dead after two seconds."""
    folder = tmp_path_factory.mktemp("site")
    with Site(folder, module_database_url, takeover="3s") as site:
        site.server()
        yield site


def go_on(site: Site, threads: Sequence[str]) -> None:
    """Have the threads go on from their breakpoints, each with a value that is added."""
    with site.http() as http:
        for thread_id in threads:
            site.decide_one(http, thread_id, "continue", {"steps": ["checked"]})


def kill_the_worker_at(site: Site, place: str, thread_id: str, *, times: int) -> None:
    """Kill the worker that has come to a place, and have another one."""
    came = site.gates.wait(place, thread_id, times=times)
    site.with_pid(came.pid).kill()
    site.worker()
    site.gates.open()


def done(site: Site, threads: Sequence[str]) -> None:
    """Return once all have ended, and see that each took the values, and paid, exactly once."""
    site.until(
        "SELECT 1 FROM threads WHERE id = ANY(%s) AND status IN ('idle', 'error') "
        "HAVING count(*) = %s",
        list(threads),
        len(threads),
    )
    with site.explained():
        for thread_id in threads:
            rows = site.ledger.rows
            [thread] = rows("SELECT * FROM threads WHERE id = %s", thread_id)
            assert (thread["status"], thread["error"]) == ("idle", None)
            assert thread["state_values"]["steps"] == ["prepare", "checked", "finalize"]
            [request] = rows("SELECT * FROM requests WHERE thread_id = %s", thread_id)
            assert (request["kind"], request["delivery"]) == ("breakpoint", "delivered")
        assert_paid_once(site.effects, threads)


@pytest.mark.parametrize(
    ("place", "times"),
    [
        ("route", 2),  # as the values are taken, and nothing is committed
        ("finalize", 1),  # between that and what follows
        ("paying", 1),
        ("finalized", 1),
    ],
)
def test_values_are_taken_once_whenever_the_worker_is_killed(
    site: Site, place: str, times: int
) -> None:
    site.have(workers=1)
    threads = site.begin(site.new_threads(2), GRAPH)
    site.paused(threads)
    site.gates.close(place, threads)
    go_on(site, threads)
    kill_the_worker_at(site, place, threads[0], times=times)
    done(site, threads)


def test_a_stop_is_not_lost_with_the_worker_that_is_killed_before_it_is_asked(site: Site) -> None:
    site.have(workers=1)
    threads = site.new_threads(2)
    with site.ledger.transaction() as conn:
        conn.execute("LOCK TABLE requests IN SHARE ROW EXCLUSIVE MODE")
        site.begin(threads, GRAPH)
        site.until("SELECT 1 FROM pg_locks WHERE relation = 'requests'::regclass AND NOT granted")
        # The thread stands at its breakpoint by now, and there is no request.
        [worker] = site.running("worker")
        worker.kill()
        site.ledger.rows(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE wait_event_type = 'Lock' AND datname = current_database()
            """
        )
    assert not any(site.gates.visits("finalize", thread_id) for thread_id in threads)
    site.have(workers=1)
    site.paused(threads)
    assert not any(site.gates.visits("finalize", thread_id) for thread_id in threads)
    go_on(site, threads)
    done(site, threads)
