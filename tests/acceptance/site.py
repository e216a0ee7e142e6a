"""A project with its database and its processes, and what has to hold once they are done."""

from __future__ import annotations

import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psycopg

from signoff.db import embedded
from signoff.db.embedded_server import Server, alive
from tests import processes
from tests.acceptance.gates import TIMEOUT, Gates
from tests.acceptance.ledger import Ledger
from tests.people import let_in, with_key
from tests.processes import Program

PAYMENTS = Path(__file__).parent / "payments"
STARTER, REVIEWER = "sales@firm.com", "jane@firm.com"

EVENTS = ["run.created", "request.opened", "request.decided", "request.delivered"]
"""All that the audit has to tell of a payment, whatever was killed on the way."""

EFFECTS = ("performed", "repeated")
"""What becomes of a payment: it is made, or found to be made already."""

_numbers = count(1)


class Site:
    """The payments of `payments/graph.py` on one database, with whatever processes a test starts.

    Without a `database_url` the processes have an embedded PostgreSQL in the project's folder.
    """

    def __init__(self, folder: Path, database_url: str | None, **settings: str) -> None:
        self.project = folder / "payments"
        shutil.copytree(PAYMENTS, self.project)
        self.effects = folder / "effects"
        for what in EFFECTS:
            (self.effects / what).mkdir(parents=True)
        self.database_url = database_url
        self.settings = {f"SIGNOFF_{name.upper()}": value for name, value in settings.items()}
        self.programs: list[Program] = []
        self.gates = Gates()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.gates)
        if self.database_url is None:
            with embedded.start(self.project / ".signoff") as server:
                migrated = processes.command("migrate", project=self.project)
                assert migrated.returncode == 0, migrated.stderr
                let_in(server.url, STARTER, REVIEWER)
        else:
            let_in(self.database_url, STARTER, REVIEWER)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for program in self.programs:
            program.__exit__(None, None, None)
        self._stack.close()

    @cached_property
    def ledger(self) -> Ledger:
        """What its database says; an embedded one has to run by now."""
        return self._stack.enter_context(Ledger(self.database_url or self.embedded.url))

    @property
    def embedded(self) -> Server:
        """The PostgreSQL of its folder."""
        return Server.prepare(self.project / ".signoff", {})

    # Its processes.

    def worker(self, **env: str) -> Program:
        """One more worker. It takes its time to be ready."""
        return self._started("worker", **env)

    def server(self, *, port: int = 0, **env: str) -> Program:
        """One more server, on any port that is free unless one is given."""
        return self._started("serve", "--port", str(port), **env)

    def dev(self, **env: str) -> Program:
        """A process that is both."""
        return self._started("dev", "--port", "0", "--no-reload", **env)

    def have(self, *, workers: int | None = None, servers: int | None = None) -> None:
        """Start or kill (-9) so many that this many run, and return once all are ready."""
        for command, start, number in (
            ("worker", self.worker, workers),
            ("serve", self.server, servers),
        ):
            if number is None:
                continue
            for program in self.running(command)[number:]:
                program.kill()
            for _ in range(number - len(self.running(command))):
                start()
        for program in self.running("worker", "serve"):
            program.ready()

    def running(self, *commands: str) -> list[Program]:
        """The processes of these commands that run, the oldest first."""
        return [p for p in self.programs if p.arguments[0] in commands and p.is_running()]

    def with_pid(self, pid: int) -> Program:
        """A process by its id."""
        return next(p for p in self.programs if p.pid == pid)

    def _started(self, *arguments: str, **env: str) -> Program:
        program = Program(
            *arguments,
            project=self.project,
            database_url=self.database_url,
            env={
                **self.settings,
                "GATES": str(self.gates.path),
                "EFFECTS": str(self.effects),
                **env,
            },
        )
        self.programs.append(program)
        return program

    # What is done there.

    def http(self, program: Program | None = None) -> httpx.Client:
        """A client of this server, or of the oldest that runs."""
        server = program or self.running("serve", "dev")[0]
        return httpx.Client(base_url=server.url, headers=with_key(STARTER), timeout=TIMEOUT)

    @staticmethod
    def new_threads(number: int) -> list[str]:
        """Ids that no other thread has."""
        return [f"t{next(_numbers)}" for _ in range(number)]

    def begin(
        self, threads: Sequence[str], graph: str = "payment", *, http: httpx.Client | None = None
    ) -> Sequence[str]:
        """These threads, each with a first run that is committed."""
        with ExitStack() as stack:
            caller = http or stack.enter_context(self.http())
            for thread_id in threads:
                order = {
                    "assistant_id": graph,
                    "input": {"amount": 100},
                    "if_not_exists": "create",
                    "multitask_strategy": "reject",
                }
                caller.post(f"/threads/{thread_id}/runs", json=order).raise_for_status()
        return threads

    def paused(self, threads: Sequence[str]) -> None:
        """Return once all of these threads wait for a decision."""
        self._are(threads, "status = 'interrupted'")

    def delivered(self, threads: Sequence[str]) -> None:
        """Return once what was decided on these threads has reached their graphs, for good."""
        self.until(
            """
            SELECT 1 FROM requests
             WHERE thread_id = ANY(%s) AND delivery = 'delivered' HAVING count(*) = %s
            """,
            list(threads),
            len(threads),
        )

    def decide(self, threads: Iterable[str], action: str = "approve") -> None:
        """Decide what these threads ask, and return once all of it is accepted."""
        with self.http() as http:
            for thread_id in threads:
                self.decide_one(http, thread_id, action)

    def decide_one(
        self,
        http: httpx.Client,
        thread_id: str,
        action: str = "approve",
        values: dict[str, Any] | None = None,
    ) -> None:
        """Decide what a thread asks, and return once that is accepted."""
        found = http.get("/requests", params={"thread_id": thread_id, "state": "open"})
        [request] = found.raise_for_status().json()["items"]
        self.post_decision(http, request["id"], request["digest"], action, values)

    @staticmethod
    def post_decision(
        http: httpx.Client,
        request_id: str,
        digest: str,
        action: str = "approve",
        values: dict[str, Any] | None = None,
    ) -> None:
        """Decide a request; done again, it is decided once."""
        answer = http.post(
            f"/requests/{request_id}/decisions",
            json={"action": action, "digest": digest, "values": values or {}},
            headers={**with_key(REVIEWER), "Idempotency-Key": request_id},
        )
        assert answer.raise_for_status().status_code == 201

    def waiting(self) -> set[str]:
        """The threads that wait for a decision."""
        rows = self.ledger.rows("SELECT id FROM threads WHERE status = 'interrupted'")
        return {row["id"] for row in rows}

    def done(self, threads: Sequence[str], *, within: float = TIMEOUT) -> None:
        """Return once nothing is under way on these threads, and see that all is as it should be.

        Each has paid: once, by one decision, which is delivered; and nothing is left to do.
        """
        self._are(threads, "status IN ('idle', 'error')", within=within)
        with self.explained():
            for thread_id in threads:
                self._check(thread_id)
            assert_paid_once(self.effects, threads)

    def until(self, statement: str, *parameters: Any, within: float = TIMEOUT) -> None:
        """Return once the database answers with any row."""
        with self.explained():
            self.ledger.until(statement, *parameters, within=within)

    def _are(self, threads: Sequence[str], condition: str, within: float = TIMEOUT) -> None:
        self.until(
            f"SELECT 1 FROM threads WHERE id = ANY(%s) AND {condition} HAVING count(*) = %s",
            list(threads),
            len(threads),
            within=within,
        )

    def _check(self, thread_id: str) -> None:
        rows = self.ledger.rows
        [thread] = rows("SELECT * FROM threads WHERE id = %s", thread_id)
        assert (thread["status"], thread["error"]) == ("idle", None), thread
        assert (thread["leased_by"], thread["ready_at"]) == (None, None)
        assert thread["state_values"]["steps"] == ["prepare", "review", "finalize"]
        assert thread["state_values"]["action"] == "approve"
        runs = rows("SELECT kind, status FROM runs WHERE thread_id = %s ORDER BY id", thread_id)
        assert [(run["kind"], run["status"]) for run in runs] == [
            ("start", "paused"),
            ("resume", "succeeded"),
        ]
        [request] = rows("SELECT * FROM requests WHERE thread_id = %s", thread_id)
        assert (request["state"], request["delivery"]) == ("decided", "delivered")
        [vote] = rows("SELECT * FROM votes WHERE request_id = %s", request["id"])
        assert vote["by"] == REVIEWER
        [effect] = rows("SELECT * FROM effects WHERE thread_id = %s", thread_id)
        assert effect["done_at"] is not None
        audit = rows("SELECT event FROM audit WHERE thread_id = %s ORDER BY seq", thread_id)
        assert [entry["event"] for entry in audit] == EVENTS
        assert self.ledger.chain_is_whole(thread_id)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Print what one wants to see where a test fails."""
        try:
            yield
        except AssertionError:
            self._tell()
            raise

    def _tell(self) -> None:
        for program in self.programs:
            state = "runs" if program.is_running() else "ended"
            print(f"--- {program.arguments[0]} {program.pid} {state}\n{program.output}")
        for table in ("workers", "threads", "runs", "requests", "effects", "procrastinate_jobs"):
            print(f"--- {table}")
            with suppress(psycopg.Error):
                for row in self.ledger.rows(f"SELECT * FROM {table}"):
                    print({key: value for key, value in row.items() if value is not None})


def kill_postgres(server: Server) -> None:
    """kill -9 of a PostgreSQL, and return once it runs no more."""
    postmaster = server.postmaster()
    assert postmaster is not None
    postmaster.kill()
    deadline = time.monotonic() + TIMEOUT
    while alive(postmaster):
        assert time.monotonic() < deadline


def payments(effects: Path) -> dict[str, Counter[str]]:
    """How often each thread's payment was performed, and how often found to be there already."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for what, thread_id, _ in _records(effects):
        counts[thread_id][what] += 1
    return counts


def payments_by(effects: Path, thread_id: str) -> list[int]:
    """The processes that have performed a thread's payment, or tried to."""
    return [pid for _, paid, pid in _records(effects) if paid == thread_id]


def _records(effects: Path) -> Iterator[tuple[str, str, int]]:
    for what in EFFECTS:
        for link in (effects / what).iterdir():
            thread_id, pid = str(link.readlink()).split()
            yield what, thread_id, int(pid)


def assert_paid_once(effects: Path, threads: Iterable[str]) -> None:
    """Each thread has made one payment: a link that nobody can create twice."""
    made = payments(effects)
    for thread_id in threads:
        assert made[thread_id]["performed"] == 1, (thread_id, made)
