"""Many threads, two workers and two servers on one database, and processes killed all the time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import httpx

from tests.acceptance.conftest import OpenSite
from tests.acceptance.site import Site

THREADS = 40
KILLS = 12
SEED = 20260302


class Caller:
    """A client as one should be: where a call fails, it asks the other server for the same."""

    def __init__(self, site: Site, random: Random) -> None:
        self.site = site
        self.random = random

    def start(self, thread_id: str) -> None:
        """Start a run on a thread, unless an earlier attempt did."""
        while True:
            try:
                with self.server() as http:
                    found = http.get(f"/threads/{thread_id}")
                    if found.status_code == 404:
                        self.site.begin([thread_id], http=http)
                return
            except httpx.HTTPError as error:
                self.again(error)

    def decide(self, thread_id: str) -> None:
        """Decide what a thread asks, unless an earlier attempt did."""
        [request] = self.site.ledger.rows(
            "SELECT id, digest FROM requests WHERE thread_id = %s", thread_id
        )
        while True:
            try:
                with self.server() as http:
                    self.site.post_decision(http, str(request["id"]), request["digest"])
                return
            except httpx.HTTPError as error:
                self.again(error)

    def server(self) -> httpx.Client:
        """A client of any server that is there."""
        servers = self.site.running("serve")
        ready = [each for each in servers if "is ready" in each.output]
        return self.site.http(self.random.choice(ready or servers))

    @staticmethod
    def again(error: httpx.HTTPError) -> None:
        """Let what is worth another look pass; 409 is where an earlier attempt did it after all."""
        if isinstance(error, httpx.HTTPStatusError):
            assert error.response.status_code in (409, 503), error.response.text


def test_each_of_forty_threads_is_done_once_whatever_is_killed(open_site: OpenSite) -> None:
    random = Random(SEED)
    with open_site(takeover="3s") as site, ThreadPoolExecutor(16) as pool:
        site.have(workers=2, servers=2)
        caller = Caller(site, Random(SEED))
        threads = site.new_threads(THREADS)
        coming, deciding = list(threads), set(threads)
        for _ in range(KILLS):
            begun = [coming.pop() for _ in range(min(4, len(coming)))]
            waiting = sorted(site.waiting() & deciding)[:6]
            deciding -= set(waiting)
            calls = [pool.submit(caller.start, each) for each in begun]
            calls += [pool.submit(caller.decide, each) for each in waiting]
            site.gates.more(random.randint(1, 12))
            victim = random.choice(site.running("worker", "serve"))
            victim.kill()
            if victim.arguments[0] == "worker":
                site.worker()
            else:
                site.server()
            for call in calls:
                call.result()
        site.paused(sorted(deciding))
        for thread_id in sorted(deciding):
            caller.decide(thread_id)
        site.done(threads)
