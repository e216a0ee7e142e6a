"""kill -9 of workers that tell a webhook what happens: it hears of everything, and can tell what
comes again by its id."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook

from tests.acceptance.conftest import OpenSite
from tests.acceptance.gates import TIMEOUT
from tests.acceptance.site import Site

SECRET = "whsec_" + "c2VjcmV0LW9mLTI0LXJhbmRvbS1ieXRlcyE="
TABLE = """
[[webhook]]
name = "crm"
url = "{url}"
secrets = ["env:CRM_SECRET"]
events = ["opened", "decided"]
"""


class Receiver:
    """Takes calls; each waits for its answer until `may_answer` is set."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._calls: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        self.known: list[tuple[str, str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver._calls.put((dict(self.headers), body))
                receiver.may_answer.wait(TIMEOUT)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self) -> tuple[str, str, str]:
        """The next call: its id, what happened, and to which thread."""
        headers, body = self._calls.get(timeout=TIMEOUT)
        Webhook(SECRET).verify(body, headers)
        told = orjson.loads(body)
        return headers["webhook-id"], told["type"], told["data"]["request"]["thread_id"]

    def new(self, number: int) -> list[tuple[str, str]]:
        """What so many calls tell that were not made before: what happened, and to which thread."""
        told = []
        while len(told) < number:
            call = self.next()
            if call not in self.known:
                self.known.append(call)
                told.append(call[1:])
        return sorted(told)

    def repeated(self, call: tuple[str, str, str]) -> None:
        """Return once a call was made again."""
        while self.next() != call:
            pass

    def nothing_new(self) -> bool:
        """Whether all calls that are left were made before."""
        return all(self.next() in self.known for _ in range(self._calls.qsize()))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.may_answer.set()
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def site(open_site: OpenSite) -> Iterator[Site]:
    """A site whose workers may call this machine, and leave a delivery after three seconds."""
    with open_site(
        takeover="3s",
        delivery_timeout="3s",
        outgoing_allowed='["127.0.0.1"]',
    ) as site:
        yield site


def test_whoever_is_killed_everything_is_told_and_nothing_under_two_ids(
    site: Site, receiver: Receiver
) -> None:
    site.have(servers=1)
    config = site.project / "signoff.toml"
    plain = config.read_text()

    # Between the commit of the pause and everything after it: nobody is told of anything yet.
    first = site.worker().ready()
    early = site.begin(site.new_threads(3))
    site.paused(early)
    first.kill()
    config.write_text(plain + TABLE.format(url=receiver.url))
    second = site.worker(CRM_SECRET=SECRET).ready()
    assert receiver.new(3) == sorted(("request.opened", each) for each in early)
    all_sent(site, 3)

    # Between the call and its note: the receiver has it, and the worker dies.
    receiver.may_answer.clear()
    [late] = site.begin(site.new_threads(1))
    assert receiver.new(1) == [("request.opened", late)]
    second.kill()
    receiver.may_answer.set()
    for _ in range(3):
        site.worker(CRM_SECRET=SECRET)
    receiver.repeated(receiver.known[-1])
    all_sent(site, 4)

    # Several at once: each thing is told once.
    for worker in site.running("worker"):
        worker.ready()
    many = [*early, late, *site.begin(site.new_threads(8))]
    site.paused(many)
    receiver.new(8)
    site.decide(many)
    site.done(many)
    assert receiver.new(12) == sorted(("request.decided", each) for each in many)
    all_sent(site, 24)
    assert receiver.nothing_new()
    assert len({call[1:] for call in receiver.known}) == len(receiver.known) == 24


def all_sent(site: Site, number: int) -> None:
    """Return once so many messages are noted as sent, and no other is left."""
    site.until(
        """
        SELECT 1 FROM messages
        HAVING count(*) = %(n)s AND count(*) FILTER (WHERE state = 'sent') = %(n)s
        """.replace("%(n)s", str(number))
    )
