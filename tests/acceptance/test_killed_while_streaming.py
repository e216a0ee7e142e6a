"""kill -9 of workers and servers in the middle of a stream that LangGraph's own SDK reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client

from tests.acceptance.gates import TIMEOUT
from tests.acceptance.site import STARTER, Site
from tests.people import key_of

HALF, ALL = list(range(50)), list(range(100))


@pytest.fixture(scope="module")
def site(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server, and workers that are taken for dead after two seconds."""
    folder = tmp_path_factory.mktemp("site")
    with Site(folder, module_database_url, takeover="3s") as site:
        yield site


class Reader:
    """Starts a run and reads its stream, in a thread of its own."""

    def __init__(self, url: str, thread_id: str) -> None:
        self.parts: list[Any] = []
        self._more = threading.Condition()
        self._arguments = (url, thread_id)
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        url, thread_id = self._arguments
        with get_sync_client(url=url, api_key=key_of(STARTER)) as sdk:
            for part in sdk.runs.stream(
                thread_id,
                "telling",
                input={"amount": 1},
                stream_mode="custom",
                if_not_exists="create",
            ):
                with self._more:
                    self.parts.append(part)
                    self._more.notify_all()

    def has_read(self, numbers: list[int]) -> None:
        """Return once these numbers have come, and see that they are all."""
        with self._more:
            came = self._more.wait_for(lambda: len(self.numbers()) >= len(numbers), TIMEOUT)
            assert came, self.parts
            assert self.numbers() == numbers

    def is_done(self) -> None:
        """Return once the stream has come to its end."""
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive(), self.parts

    def numbers(self) -> list[int]:
        """What the node has told, as it came."""
        return [part.data for part in self.parts if part.event == "custom"]


def test_a_stream_goes_on_with_the_worker_that_takes_over(site: Site) -> None:
    site.have(workers=1, servers=1)
    [thread_id] = site.new_threads(1)
    site.gates.close("half told", [thread_id])
    [server] = site.running("serve")
    reader = Reader(server.url, thread_id)
    reader.has_read(HALF)
    site.with_pid(site.gates.wait("half told", thread_id).pid).kill()
    site.worker()
    site.gates.open()
    reader.is_done()
    ids = [int(part.id) for part in reader.parts]
    assert ids == sorted(set(ids))
    told = [part.data["attempt"] if part.event == "metadata" else None for part in reader.parts]
    assert [each for each in told if each is not None] == [1, 2]
    second = told.index(2)
    assert [part.data for part in reader.parts[1:second]] == HALF
    assert reader.numbers()[len(HALF) :] == ALL
    assert "__interrupt__" in reader.parts[-1].data


def test_a_reader_is_back_behind_its_last_event_once_the_server_is(site: Site) -> None:
    site.have(workers=1, servers=1)
    [thread_id] = site.new_threads(1)
    site.gates.close("half told", [thread_id])
    [server] = site.running("serve")
    reader = Reader(server.url, thread_id)
    reader.has_read(HALF)
    server.kill()
    site.server(port=httpx.URL(server.url).port or 0).ready()
    site.gates.open()
    reader.is_done()
    assert reader.numbers() == ALL
    assert [part.event for part in reader.parts].count("metadata") == 1
    assert "__interrupt__" in reader.parts[-1].data
    site.paused([thread_id])
