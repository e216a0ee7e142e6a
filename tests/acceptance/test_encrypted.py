"""The main job on an encrypted database, by whole processes, one of which is killed."""

from __future__ import annotations

import base64
from collections import Counter

import psycopg

from tests.acceptance.conftest import OpenSite
from tests.acceptance.site import assert_paid_once

KEY = base64.b64encode(bytes([7] * 32)).decode()


def test_a_killed_worker_leaves_nothing_in_the_clear_and_its_thread_goes_on(
    open_site: OpenSite,
) -> None:
    with open_site(takeover="3s", encryption_keys=KEY) as site:
        site.have(workers=2, servers=1)
        threads = site.new_threads(4)
        site.begin(threads)
        site.paused(threads)
        site.gates.close("paid", threads)
        site.decide(threads)
        victim = site.gates.wait("paid", threads[0]).pid
        site.with_pid(victim).kill()
        site.gates.open()
        site.until(
            "SELECT 1 FROM threads WHERE id = ANY(%s) AND status = 'idle' HAVING count(*) = %s",
            threads,
            len(threads),
        )
        with site.http() as http:
            for thread_id in threads:
                values = http.get(f"/threads/{thread_id}/state").raise_for_status().json()["values"]
                assert values["steps"] == ["prepare", "review", "finalize"]
        assert_paid_once(site.effects, threads)

        url = site.database_url
        assert url is not None
        with psycopg.connect(url, options="-c search_path=signoff") as conn:
            clear = {
                table: conn.execute(
                    f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL"
                    f" AND {column}::text NOT LIKE '%sealed:1:%'".encode()
                ).fetchone()
                for table, column in (
                    ("requests", "payload"),
                    ("requests", "title"),
                    ("runs", "input"),
                    ("threads", "state_values"),
                    ("audit", "sealed"),
                )
            }
            assert Counter(clear.values()) == Counter({(0,): len(clear)})
