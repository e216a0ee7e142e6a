"""What every service works with."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from signoff.channels.base import Channel
from signoff.db import leases
from signoff.db.group import GroupCommit
from signoff.db.jobs import Jobs
from signoff.db.notices import Notices
from signoff.db.pool import Connection, Database
from signoff.db.threads import Locked
from signoff.domain.run import Run, RunStatus
from signoff.domain.session import SessionRules
from signoff.domain.thread import Lease
from signoff.graph.assignment import Assignment
from signoff.graph.catalog import Catalog, assistant_id
from signoff.graph.memory import Memory
from signoff.graph.opening import Book
from signoff.policies.book import PolicyBook
from signoff.service.keyring import Keyring
from signoff.service.rates import Rates
from signoff.service.together import Together
from signoff.tracing.spans import OFF, Traces

if TYPE_CHECKING:  # only who sends waits for an HTTP client to load
    from signoff.channels.webhook import WebhookChannel


class Hand(Protocol):
    """The part of this process that executes runs."""

    def reach_out(self) -> int | None:
        """The worker's id if it has room for one more thread, else None."""

    def room(self) -> int:
        """How many more threads the worker would take now."""

    def works_on(self, thread_id: str) -> bool:
        """Whether a thread is in this worker's hands; when it comes to rest, waiters are told."""

    def take(self, assignment: Assignment | Lease) -> None:
        """Work on a thread whose lease this worker was given; after the commit that gave it."""


@dataclass(slots=True)
class Office:
    """A desk's parts. `hand` is None where this process leaves all work to others.

    `memory` is what it still knows of the threads that paused in its hands. `available` are the
    channels that are set up, by their names, and `channels` those of them by which somebody is
    reached; a delivery has `delivery_timeout` to end. `run_ended` is told of each run that this
    process has executed, and how many seconds that took. Links in messages begin with `public_url`;
    those to decide by open for `link_lifetime`, and `wrong_links` counts what is tried in their
    place.
    """

    database: Database
    group: GroupCommit
    notices: Notices
    jobs: Jobs
    catalog: Catalog
    now: Callable[[], datetime]
    hand: Hand | None = None
    book: Book = PolicyBook
    memory: Memory = field(default_factory=Memory)
    run_ended: Callable[[Run, RunStatus, float], None] = lambda *_: None
    traces: Traces = OFF
    session_rules: SessionRules = field(default_factory=SessionRules)
    available: Mapping[str, Channel] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    webhooks: WebhookChannel | None = None
    public_url: str | None = None
    delivery_timeout: timedelta = timedelta(seconds=30)
    chance: Callable[[], float] = random.random
    link_lifetime: timedelta = timedelta(days=7)
    wrong_links: Rates = field(default_factory=lambda: Rates(30, burst=60.0))
    together: Together = field(init=False)
    keyring: Keyring = field(init=False)

    def __post_init__(self) -> None:
        self.together = Together(self.database, self.jobs)
        self.keyring = Keyring(self.database, self.notices, self.now)

    def take(self, lease: Lease | None) -> None:
        """Have this process work on a thread whose lease a commit gave it; None is nobody's."""
        if lease is not None and self.hand is not None:
            self.hand.take(lease)

    def url_of(self, path: str) -> str | None:
        """Where people reach a path of the server; None if its address is not known."""
        return None if self.public_url is None else f"{self.public_url.rstrip('/')}{path}"


def graph_metadata(graph: str) -> dict[str, str]:
    """What LangGraph's server puts into a thread's metadata about its graph."""
    return {"graph_id": graph, "assistant_id": str(assistant_id(graph))}


async def give_work(
    conn: Connection, office: Office, thread: Locked, graph: str, at: datetime
) -> Lease | None:
    """Make sure that somebody works on a locked thread; this process's lease, if that is it.

    A busy thread is looked at again by whoever holds it before it is given back. An idle one goes
    to this process if it has room, without a detour; otherwise a job tells the workers.
    """
    if thread.busy:
        await leases.add_work(conn, thread.id)
        return None
    worker = office.hand.reach_out() if office.hand and graph in office.catalog else None
    lease = await leases.make_ready(
        conn,
        thread.id,
        graph=graph,
        metadata=graph_metadata(graph),
        at=at,
        worker=worker,
    )
    if worker is not None:
        return lease
    await office.jobs.look_at(conn, thread.id, graph)
    return None
