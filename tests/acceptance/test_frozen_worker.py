"""A worker that stands still (SIGSTOP), is given up, and goes on (SIGCONT): it writes nothing."""

from __future__ import annotations

import time

from tests.acceptance.conftest import OpenSite
from tests.acceptance.site import Site, payments_by
from tests.processes import Program

TABLES = (
    *("threads", "runs", "requests", "effects", "audit", "audit_heads"),
    *("checkpoints", "checkpoint_blobs", "checkpoint_writes"),
)


def written(site: Site, thread_id: str) -> dict[str, list[str]]:
    """All that the database holds of a thread."""
    held: dict[str, list[str]] = {}
    for table in TABLES:
        key = "id" if table == "threads" else "thread_id"
        rows = site.ledger.rows(f"SELECT it::text FROM {table} AS it WHERE {key} = %s", thread_id)
        held[table] = sorted(row["it"] for row in rows)
    assert all(held.values())
    return held


def frozen_at(site: Site, place: str) -> tuple[str, Program]:
    """A thread, and the worker that stands still in one of its nodes; another worker is ready."""
    site.have(workers=1, servers=1)
    [worker] = site.running("worker")
    [thread_id] = threads = site.begin(site.new_threads(1))
    site.paused(threads)
    site.gates.close(place, threads)
    site.decide(threads)
    site.gates.wait(place, thread_id)
    site.have(workers=2)
    worker.freeze()
    return thread_id, worker


def test_another_takes_over_within_15_seconds_and_the_old_one_begins_anew(
    open_site: OpenSite,
) -> None:
    with open_site() as site:
        thread_id, frozen = frozen_at(site, "finalize")
        still_at = time.time()
        [_, other] = site.running("worker")
        again = site.gates.wait("finalize", thread_id, times=2)
        assert again.pid == other.pid
        assert again.at - still_at < 15  # the default of `takeover`
        site.gates.let_go_on(other.pid)
        site.done([thread_id])
        before = written(site, thread_id)

        frozen.thaw()
        frozen.wait_for("it begins anew")
        site.ledger.until("SELECT 1 FROM workers HAVING count(*) = 2")
        site.gates.open()  # its node goes on to its effect

        site.gates.wait("refused: LeaseLost", thread_id)
        assert payments_by(site.effects, thread_id) == [other.pid]
        works_on(site, frozen)
        assert written(site, thread_id) == before
        site.done([thread_id])


def test_a_worker_that_does_not_know_it_was_given_up_writes_nothing(open_site: OpenSite) -> None:
    """Here nobody has ended its sessions, and it is alive by its own reckoning: only the epoch of
    the thread tells."""
    with open_site() as site:
        thread_id, frozen = frozen_at(site, "reviewed")
        [_, other] = site.running("worker")
        site.ledger.rows(
            "UPDATE threads SET leased_by = NULL, epoch = epoch + 1 WHERE id = %s", thread_id
        )
        site.ledger.rows(
            """
            INSERT INTO procrastinate_jobs (queue_name, task_name, args)
            VALUES ('payment', 'signoff.work', jsonb_build_object('thread_id', %s::text))
            """,
            thread_id,
        )
        site.ledger.rows("SELECT pg_notify('signoff', 'jobs []')")
        assert site.gates.wait("reviewed", thread_id, times=2).pid == other.pid
        site.gates.let_go_on(other.pid)
        site.done([thread_id])
        before = written(site, thread_id)

        site.gates.open()
        frozen.thaw()
        frozen.wait_for("lost a thread to another worker")

        works_on(site, frozen)
        assert written(site, thread_id) == before
        assert "begins anew" not in frozen.output


def test_a_lock_that_it_holds_is_taken_from_it(open_site: OpenSite) -> None:
    """It stands still in the middle of a transaction."""
    with open_site(takeover="3s") as site:
        site.have(workers=1, servers=1)
        [frozen] = site.running("worker")
        [thread_id] = threads = site.begin(site.new_threads(1))
        site.paused(threads)
        with site.ledger.transaction() as conn:
            conn.execute("LOCK TABLE effects IN EXCLUSIVE MODE")
            site.decide(threads)
            site.until(
                """
                SELECT 1 FROM pg_stat_activity
                 WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO effects%'
                """
            )
            frozen.freeze()
        site.have(workers=2)
        site.done(threads)
        before = written(site, thread_id)

        frozen.thaw()
        frozen.wait_for("it begins anew")
        works_on(site, frozen)
        assert written(site, thread_id) == before


def works_on(site: Site, worker: Program) -> None:
    """See that a worker does the next thread from its first node to its last."""
    for other in site.running("worker"):
        if other is not worker:
            assert other.stop() == 0
    threads = site.begin(site.new_threads(2))
    site.paused(threads)
    site.decide(threads)
    site.done(threads)
    assert {payments_by(site.effects, each)[0] for each in threads} == {worker.pid}
