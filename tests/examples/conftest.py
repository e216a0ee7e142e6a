"""The examples as users run them: `signoff dev` in the folder of each, once for a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from signoff.client import Client, Request
from tests.acceptance.ledger import Ledger
from tests.people import let_in, with_key
from tests.processes import Program, dev

EXAMPLES = Path(__file__).parents[2] / "examples"


class Example:
    """An example that is served."""

    def __init__(self, program: Program, ledger: Ledger, effects: Path) -> None:
        self.program = program
        self.url = program.ready().url
        self.ledger = ledger
        self.effects = effects
        """A folder for what the example does in the outside world."""
        self.http = httpx.Client(base_url=self.url, timeout=30)

    def as_(self, by: str) -> dict[str, str]:
        """The headers with which somebody calls; it is `dev` who needs none."""
        if by == "dev":
            return {}
        let_in(self.ledger.url, by)
        return with_key(by)

    def start(self, graph: str, thread: str, by: str = "dev", **given: Any) -> dict[str, Any]:
        """Start a run on a new thread; the thread once it pauses or ends."""
        order = {"assistant_id": graph, "input": given, "if_not_exists": "create"}
        path = f"/threads/{thread}/runs/wait"
        answer = self.http.post(path, json=order, headers=self.as_(by))
        answer.raise_for_status()
        return self.thread(thread)

    def open(self, thread: str) -> Request:
        """The one request that a thread has open."""
        [request] = self.all_open(thread)
        return request

    def all_open(self, thread: str) -> list[Request]:
        """The requests that a thread has open, the oldest first."""
        return [request for request in self.requests(thread) if request.state == "open"]

    def requests(self, thread: str) -> list[Request]:
        """All requests of a thread, the oldest first."""
        with Client(self.url) as client:
            return client.requests(thread_id=thread, sort="opened_at").items

    def audit(self, request: Request) -> list[str]:
        """What has happened to a request."""
        with Client(self.url) as client:
            return [entry.event for entry in client.audit(request.id).items]

    def decide(
        self, request: Request, action: str, by: str = "dev", **ballot: Any
    ) -> dict[str, Any]:
        """Decide a request as it is shown; its thread once it pauses again or ends."""
        with Client(self.url, headers=self.as_(by)) as client:
            client.decide(request.id, action, digest=request.digest, **ballot)
        return self.thread(request.thread_id)

    def answer(self, thread: str, action: str, by: str = "dev", **ballot: Any) -> dict[str, Any]:
        """Decide the one open request of a thread; the thread once it pauses again or ends."""
        return self.decide(self.open(thread), action, by, **ballot)

    def closed(self, request: Request) -> Request:
        """A request, once something has closed it."""
        self.ledger.until("SELECT 1 FROM requests WHERE id = %s AND state <> 'open'", request.id)
        with Client(self.url) as client:
            return client.request(request.id)

    def thread(self, thread: str) -> dict[str, Any]:
        """A thread, once nothing is under way on it."""
        self.ledger.until("SELECT 1 FROM threads WHERE id = %s AND status <> 'busy'", thread)
        found: dict[str, Any] = self.http.get(f"/threads/{thread}").raise_for_status().json()
        assert found["error"] is None, found["error"]
        return found

    def values(self, thread: str) -> dict[str, Any]:
        """The state of a thread, once nothing is under way on it."""
        values: dict[str, Any] = self.thread(thread)["values"]
        return values


@pytest.fixture(scope="module")
def example(
    request: pytest.FixtureRequest,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Example]:
    """The example that the module `test_NAME` is about."""
    folder = EXAMPLES / request.module.__name__.rpartition(".test_")[2]
    effects = tmp_path_factory.mktemp("effects")
    settings = {"SIGNOFF_EXAMPLE_FOLDER": str(effects), "SIGNOFF_EXAMPLE_MODEL": ""}
    with (
        dev("--no-reload", project=folder, database_url=module_database_url, **settings) as program,
        Ledger(module_database_url) as ledger,
    ):
        served = Example(program, ledger, effects)
        with served.http:
            yield served
