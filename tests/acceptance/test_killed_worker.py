"""kill -9 of workers, at every point of a thread's life. Others go on with what they left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from tests.acceptance.site import Site, payments

BOTH = ["payment", "payment_async"]


@pytest.fixture(scope="module")
def shared_site(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A server, and workers that are taken for dead after two seconds."""
    folder = tmp_path_factory.mktemp("site")
    with Site(folder, module_database_url, takeover="3s") as site:
        site.server()
        yield site


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The site with two workers."""
    shared_site.have(workers=2, servers=1)
    yield shared_site
    shared_site.gates.open()


def killed_at(site: Site, place: str, threads: Sequence[str], *, times: int = 1) -> list[str]:
    """Kill the worker that has come to a place on the first of these threads.

    All go on after that; these are the threads on which it stood there, as opposed to those of the
    other worker.
    """
    came = {each: site.gates.wait(place, each, times=times).pid for each in threads}
    victim = came[threads[0]]
    site.with_pid(victim).kill()
    site.worker()  # one for the next round
    site.gates.open()
    return [each for each in threads if came[each] == victim]


def test_a_run_that_is_killed_before_its_pause_begins_again(site: Site) -> None:
    threads = site.new_threads(4)
    site.gates.close("prepare", threads)
    site.begin(threads)
    lost = killed_at(site, "prepare", threads)
    site.paused(threads)
    for thread_id in threads:
        visits = len(site.gates.visits("prepare", thread_id))
        assert visits == (2 if thread_id in lost else 1)
    site.decide(threads)
    site.done(threads)


@pytest.mark.parametrize("graph", BOTH)
@pytest.mark.parametrize("place", ["review", "reviewed"])
def test_an_answer_outlives_the_worker_whose_node_had_it(
    site: Site, place: str, graph: str
) -> None:
    threads = site.begin(site.new_threads(4), graph)
    site.paused(threads)
    site.gates.close(place, threads)
    site.decide(threads)
    lost = killed_at(site, place, threads, times=2 if place == "review" else 1)
    site.done(threads)
    for thread_id in threads:
        assert len(site.gates.visits("prepare", thread_id)) == 1
        assert len(site.gates.visits("review", thread_id)) == (3 if thread_id in lost else 2)


@pytest.mark.parametrize(
    ("place", "graph", "paid"),
    [
        ("finalize", "payment", {"performed": 1}),
        ("finalize", "payment_async", {"performed": 1}),
        ("paying", "payment", {"performed": 1}),
        # Between an effect and the note that it was done, only its receiver can tell: at least
        # once, under one idempotency key.
        ("paid", "payment", {"performed": 1, "repeated": 1}),
        ("paid", "payment_async", {"performed": 1, "repeated": 1}),
        ("finalized", "payment", {"performed": 1}),
    ],
)
def test_the_node_that_had_finished_is_not_run_again(
    site: Site, place: str, graph: str, paid: dict[str, int]
) -> None:
    threads = site.begin(site.new_threads(4), graph)
    site.paused(threads)
    site.gates.close(place, threads)
    site.decide(threads)
    site.delivered(threads)
    lost = killed_at(site, place, threads)
    site.done(threads)
    for thread_id in threads:
        assert len(site.gates.visits("review", thread_id)) == 2
        made = payments(site.effects)[thread_id]
        assert made == (Counter(paid) if thread_id in lost else Counter(performed=1))


def test_what_waits_while_no_worker_lives_is_done_by_the_next_one(site: Site) -> None:
    site.have(workers=0)
    threads = site.begin(site.new_threads(4))
    assert not any(site.gates.visits("prepare", thread_id) for thread_id in threads)
    site.have(workers=1)
    site.paused(threads)
    site.have(workers=0)
    site.decide(threads)
    site.have(workers=1)
    site.done(threads)


@pytest.mark.parametrize("what", ["run", "decision"])
def test_a_job_is_not_lost_with_the_worker_that_has_just_fetched_it(site: Site, what: str) -> None:
    threads = site.new_threads(2)
    if what == "decision":
        site.begin(threads)
        site.paused(threads)
    site.have(workers=1)
    [worker] = site.running("worker")
    [last] = site.ledger.rows("SELECT coalesce(max(id), 0) AS job FROM procrastinate_jobs")
    with site.ledger.transaction() as conn:
        # Nobody can take a thread until this ends, neither at the word nor for its job: to see
        # whether the thread's holder lives, one has to look into this table.
        conn.execute("LOCK TABLE workers IN ACCESS EXCLUSIVE MODE")
        if what == "decision":
            site.decide(threads)
        else:
            site.begin(threads)
        site.until(
            """
            SELECT 1 FROM procrastinate_jobs
             WHERE status = 'doing' AND args ->> 'thread_id' = ANY(%s) AND id > %s
            HAVING count(*) = %s
            """,
            threads,
            last["job"],
            len(threads),
        )
        worker.kill()
        if what == "run":
            # Its sessions are found dead as well, and do not end what they were at without it.
            site.ledger.rows(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE wait_event_type = 'Lock' AND datname = current_database()
                """
            )
    site.have(workers=1)
    if what == "run":
        site.paused(threads)
        site.decide(threads)
    site.done(threads)


def test_a_server_that_is_killed_right_after_it_accepted_has_kept_its_word(site: Site) -> None:
    threads = site.begin(site.new_threads(2))
    site.paused(threads)
    for thread_id in threads:
        site.have(servers=1)
        [server] = site.running("serve")
        with site.http(server) as http:
            site.decide_one(http, thread_id)
            server.kill()
    site.done(threads)
    site.have(servers=1)


def test_a_process_that_is_both_is_killed_right_after_it_accepted(site: Site) -> None:
    """It has the lease of the threads by then, and their runs are under way in it."""
    dev = site.dev().ready()
    threads = site.new_threads(4)
    with site.http(dev) as http:
        site.begin(threads, http=http)
        site.paused(threads)
        for thread_id in threads:
            site.decide_one(http, thread_id)
    dev.kill()
    site.done(threads)
