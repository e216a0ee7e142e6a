"""The contract review, with and without Signoff in its graph, over restarts of everything.

Each way in drives both graphs through the same review: a draft, changes that are asked for, the
next draft, its approval. Before each decision all processes are ended and started again, the first
time by kill -9, PostgreSQL included.
"""

from __future__ import annotations

import json
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from signoff.db import embedded
from signoff.db.embedded_server import Server
from tests import processes
from tests.acceptance.ledger import Ledger
from tests.acceptance.site import kill_postgres
from tests.people import let_in, with_key
from tests.processes import Program

PROJECT = Path(__file__).parents[2] / "examples" / "contract_review"
GRAPHS = ["contract_review", "contract_review_plain"]
ACME = {"client_name": "Acme GmbH", "terms": {"governing_law": "Germany"}}
SALES, JANE = "sales@firm.com", "jane@firm.com"


class Way(ABC):
    """A way into the desk. `thread` returns once nothing is under way on the thread."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.register = folder / "register.jsonl"
        self.env = {
            "SIGNOFF_DATA_DIR": str(self.data),
            "SIGNOFF_EXAMPLE_REGISTER": str(self.register),
        }

    @abstractmethod
    def open(self) -> None:
        """Start all processes."""

    @abstractmethod
    def close(self, *, kill: bool) -> None:
        """End all processes, PostgreSQL too."""

    @abstractmethod
    def start(self, graph: str, thread_id: str) -> dict[str, Any]:
        """Start a review; the thread once nothing is under way on it."""

    @abstractmethod
    def thread(self, thread_id: str) -> dict[str, Any]:
        """A thread as JSON."""

    @abstractmethod
    def request(self, thread_id: str) -> dict[str, Any]:
        """What a thread asks."""

    @abstractmethod
    def decide(self, request: Mapping[str, Any], action: str, note: str) -> None:
        """Decide it, as it was shown."""

    def each(self, threads: Iterable[str], step: Callable[[str], None]) -> None:
        """Take a step on each of these threads; at the same time, where that is possible."""
        for thread_id in threads:
            step(thread_id)

    def filed(self) -> list[dict[str, Any]]:
        """What the register of contracts says."""
        lines = self.register.read_text().splitlines() if self.register.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def postgres(self) -> Server:
        """The embedded database."""
        return Server.prepare(self.data, {})


class Processes(Way):
    """What ways have in common that need processes to work for them."""

    programs: list[Program]

    @abstractmethod
    def started(self) -> list[Program]:
        """The processes, just started."""

    def open(self) -> None:
        if not self.data.exists():
            with embedded.start(self.data) as server:
                made = processes.command("migrate", project=PROJECT, **self.env)
                assert made.returncode == 0, made.stderr
                let_in(server.url, SALES, JANE)
        self.programs = self.started()
        for program in self.programs:
            program.ready()

    def close(self, *, kill: bool) -> None:
        for program in self.programs:
            if kill:
                program.kill()
        if kill:
            kill_postgres(self.postgres)
        else:
            assert [program.stop() for program in self.programs] == [0] * len(self.programs)
        for program in self.programs:
            program.__exit__(None, None, None)

    def each(self, threads: Iterable[str], step: Callable[[str], None]) -> None:
        with ThreadPoolExecutor() as pool:
            for taken in [pool.submit(step, thread_id) for thread_id in threads]:
                taken.result()

    def settled(self, thread_id: str) -> None:
        """Return once nothing is under way on a thread."""
        with Ledger(self.postgres.url) as ledger:
            ledger.until("SELECT 1 FROM threads WHERE id = %s AND status <> 'busy'", thread_id)


class OverHttp(Processes):
    """A server, a worker, and a client of the server."""

    def started(self) -> list[Program]:
        return [
            processes.serve(project=PROJECT, **self.env),
            processes.worker(project=PROJECT, **self.env),
        ]

    def open(self) -> None:
        super().open()
        self.http = httpx.Client(base_url=self.programs[0].url, timeout=30)

    def close(self, *, kill: bool) -> None:
        self.http.close()
        super().close(kill=kill)

    def start(self, graph: str, thread_id: str) -> dict[str, Any]:
        order = {"assistant_id": graph, "input": ACME, "if_not_exists": "create"}
        self.call("POST", f"/threads/{thread_id}/runs", SALES, json=order)
        return self.thread(thread_id)

    def thread(self, thread_id: str) -> dict[str, Any]:
        self.settled(thread_id)
        found: dict[str, Any] = self.call("GET", f"/threads/{thread_id}", SALES)
        return found

    def request(self, thread_id: str) -> dict[str, Any]:
        wanted = {"thread_id": thread_id, "state": "open"}
        [request] = self.call("GET", "/requests", JANE, params=wanted)["items"]
        shown: dict[str, Any] = request
        return shown

    def decide(self, request: Mapping[str, Any], action: str, note: str) -> None:
        decision = {"action": action, "note": note, "digest": request["digest"]}
        self.call("POST", f"/requests/{request['id']}/decisions", JANE, json=decision)

    def call(self, method: str, path: str, by: str, **arguments: Any) -> Any:
        """What the server answers."""
        answer = self.http.request(method, path, headers=with_key(by), **arguments)
        return answer.raise_for_status().json()


class OnTheCommandLine(Processes):
    """`signoff dev`, and commands beside it."""

    def started(self) -> list[Program]:
        return [processes.dev("--no-reload", project=PROJECT, **self.env)]

    def start(self, graph: str, thread_id: str) -> dict[str, Any]:
        given = ["--input", json.dumps(ACME), "--thread", thread_id, "--by", SALES]
        found: dict[str, Any] = self.answer("start", graph, *given, "--wait")
        return found

    def thread(self, thread_id: str) -> dict[str, Any]:
        self.settled(thread_id)
        found: dict[str, Any] = self.answer("threads", thread_id)
        return found

    def request(self, thread_id: str) -> dict[str, Any]:
        [request] = self.answer("inbox", "--thread", thread_id)["items"]
        shown: dict[str, Any] = request
        return shown

    def decide(self, request: Mapping[str, Any], action: str, note: str) -> None:
        said = ["--note", note, "--digest", request["digest"], "--by", JANE]
        self.answer("decide", request["id"], action, *said)

    def answer(self, *arguments: str) -> Any:
        """What a command prints."""
        return processes.answer(*arguments, project=PROJECT, **self.env)


class ByTheLibrary(Way):
    """A program that uses the library: see `library_program.py`."""

    def open(self) -> None:
        self.program = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("library_program.py"))],
            cwd=PROJECT,
            env=processes.environment(None, self.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.program.stdout is not None
        assert self.program.stdout.readline() == "ready\n"

    def close(self, *, kill: bool) -> None:
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        if kill:
            self.program.kill()
            self.program.wait(60)
            kill_postgres(self.postgres)
        self.program.stdin.close()
        code = self.program.wait(60)
        self.program.stdout.close()
        assert kill or code == 0

    def start(self, graph: str, thread_id: str) -> dict[str, Any]:
        self.call("start", graph, ACME, thread_id=thread_id, by=SALES)
        return self.thread(thread_id)

    def thread(self, thread_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("wait", thread_id)
        return found

    def request(self, thread_id: str) -> dict[str, Any]:
        [request] = self.call("requests", thread_id=thread_id, state="open")
        shown: dict[str, Any] = request
        return shown

    def decide(self, request: Mapping[str, Any], action: str, note: str) -> None:
        self.call("decide", request["id"], action, by=JANE, note=note, digest=request["digest"])

    def call(self, verb: str, *arguments: Any, **options: Any) -> Any:
        """What a method of the desk returns there."""
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(json.dumps([verb, arguments, options]) + "\n")
        self.program.stdin.flush()
        return json.loads(self.program.stdout.readline())


@pytest.fixture(params=[ByTheLibrary, OverHttp, OnTheCommandLine])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    """Each way in turn, opened."""
    chosen: Way = request.param(tmp_path)
    chosen.open()
    with ExitStack() as stack:
        stack.callback(lambda: chosen.close(kill=True))
        yield chosen


def restart(way: Way, *, kill: bool) -> None:
    """End everything, see that it is gone, and start it again."""
    way.close(kill=kill)
    assert way.postgres.postmaster() is None
    way.open()


def test_both_reviews_go_on_where_they_stood(way: Way) -> None:
    threads = {f"{graph}-acme-2026-001": graph for graph in GRAPHS}

    def begin(thread_id: str) -> None:
        first = way.start(threads[thread_id], thread_id)
        assert (first["status"], first["values"]["draft_version"]) == ("interrupted", 1)
        assert "within 30 days of its receipt" in first["values"]["draft"]

    def ask_for_changes(thread_id: str) -> None:
        request = way.request(thread_id)
        assert request["title"] == "Contract draft v1 for Acme GmbH"
        way.decide(request, "request_changes", "Payment within 45 days, please.")
        second = way.thread(thread_id)
        assert (second["status"], second["values"]["draft_version"]) == ("interrupted", 2)
        assert "within 45 days of its receipt" in second["values"]["draft"]

    def approve(thread_id: str) -> None:
        request = way.request(thread_id)
        assert request["title"] == "Contract draft v2 for Acme GmbH"
        way.decide(request, "approve", "Fine with me.")
        done = way.thread(thread_id)
        assert (done["status"], done["values"]["status"]) == ("idle", "approved")
        assert [event["action"] for event in done["values"]["history"]] == [
            *("draft", "request_changes"),
            *("draft", "approve"),
        ]
        [filed] = [entry for entry in way.filed() if entry == done["values"]["approval"]]
        assert (filed["draft_version"], filed["approved_by"]) == (2, JANE)
        assert filed["draft_sha256"] == sha256(done["values"]["draft"].encode()).hexdigest()

    way.each(threads, begin)
    restart(way, kill=True)
    way.each(threads, ask_for_changes)
    restart(way, kill=False)
    assert way.filed() == []
    way.each(threads, approve)
    restart(way, kill=True)
    assert len(way.filed()) == len(threads)
