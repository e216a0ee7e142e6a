"""The front desk: what people do with requests and threads, whoever executes the graphs.

It loads no graph, and not even LangGraph: a command that looks something up is there at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Any

from signoff import sealing
from signoff.clock import utcnow
from signoff.config import Settings
from signoff.db import migrate as schema
from signoff.db.group import GroupCommit
from signoff.db.jobs import Jobs
from signoff.db.notices import Notices
from signoff.db.pool import Database
from signoff.db.stream_events import StreamEvent
from signoff.domain.decision import Ballot
from signoff.domain.errors import ConfigError
from signoff.domain.plain import plain
from signoff.domain.request import Request
from signoff.domain.run import Run
from signoff.domain.thread import Thread
from signoff.graph.catalog import Catalog, Served
from signoff.service import amend, read, wait
from signoff.service import decide as deciding
from signoff.service.cancel import cancel_run
from signoff.service.office import Office
from signoff.service.read import RequestPage
from signoff.service.retry import retry
from signoff.service.start_run import Order, start_run, stop_options
from signoff.service.stream import follow_thread, stream_options


class FrontDesk:
    """The desk's requests and threads, and what people do with them."""

    def __init__(self, settings: Settings, office: Office | None = None) -> None:
        self.settings = settings
        self._office = office

    @property
    def office(self) -> Office:
        """The desk's parts, for those who build on its services.

        Raises:
            ConfigError: The desk is not open: use it inside ``async with``.
        """
        if self._office is None:
            raise ConfigError("the desk is not open: use it inside `async with Signoff(...)`")
        return self._office

    @property
    def notices(self) -> Notices:
        """What PostgreSQL tells this process of."""
        return self.office.notices

    async def start(
        self,
        graph: str,
        input: Any,
        *,
        by: str,
        thread_id: str | None = None,
        config: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        stream: str | Sequence[str] = (),
        subgraphs: bool = False,
        interrupt_before: str | Sequence[str] = (),
        interrupt_after: str | Sequence[str] = (),
    ) -> Run:
        """Start a run of a graph on a thread, a new one if it does not exist; it waits its turn.

        The `input` is JSON, in which messages, models and dataclasses stand for their fields and
        tuples for lists.

        `stream` names, of LangGraph's stream modes, what the method of that name is to find: of
        ``values``, ``updates``, ``messages``, ``messages-tuple``, ``custom``, ``tasks``, ``debug``
        and ``checkpoints``; with `subgraphs`, also what subgraphs stream. The runs that go on from
        it stream the same.

        `interrupt_before` and `interrupt_after` name nodes to stop before and after, in place of
        those that the graph was compiled with; ``"*"`` is all of them. The runs that go on from it
        stop there as well. An `input` of None goes on from where the thread stands; at a breakpoint
        that is a decision to continue, under the request's policy.

        Raises:
            GraphNotFound: The graph is not served here.
            NothingPending: There is no input, and the thread is new.
            InvalidInput: The thread id, the principal, the input or a node is not well formed.
            Forbidden: The thread stands at a breakpoint that `by` may not pass.
            TooLarge: The input is over 1 MiB.
        """
        order = Order(
            graph=graph,
            thread_id=wait.new_thread_id() if thread_id is None else thread_id,
            by=by,
            input=plain(input),
            config=config or {},
            context=context,
            metadata=metadata or {},
            options={
                **stream_options(stream, subgraphs=subgraphs),
                **stop_options(interrupt_before, interrupt_after),
            },
        )
        return await start_run(self.office, order)

    async def stream(
        self, thread_id: str, *, after: int = 0, until_rest: bool = False
    ) -> AsyncIterator[StreamEvent]:
        """What the runs of a thread stream, in order and complete: `id`, `run_id`, `event`, `data`.

        From the oldest event that is kept, or right behind the one with the id `after`; for ever,
        from run to run, or until the thread is paused, done or failed. The events are those of
        LangGraph's server; only runs that were told to stream have any.

        Raises:
            ThreadNotFound: There is no such thread, or not any more.
        """
        pages = follow_thread(self.office, thread_id, after=after, until_rest=until_rest)
        async with aclosing(pages):
            async for page in pages:
                for event in page:
                    yield event

    async def wait(self, thread_id: str, *, timeout: float | None = None) -> Thread:
        """The thread, once it is paused, done or failed and nothing waits to be worked off.

        Raises:
            ThreadNotFound: There is no such thread.
            TimeoutError: It took longer than `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            return await wait.until_settled(self.office, self.notices, thread_id)

    async def thread(self, thread_id: str) -> Thread:
        """One thread as it stands.

        Raises:
            ThreadNotFound: There is no such thread.
        """
        return await read.get_thread(self.office, thread_id)

    async def requests(self, **filters: Any) -> RequestPage:
        """A page of requests: `items`, `next_cursor`, `total`. See `signoff.service.read`.

        Raises:
            InvalidInput: A filter, the sort or the cursor is not well formed.
        """
        return await read.list_requests(self.office, **filters)

    async def request(self, request_id: str) -> Request:
        """One request as it stands.

        Raises:
            RequestNotFound: There is no such request.
        """
        return await read.get_request(self.office, str(request_id))

    async def decide(
        self,
        request_id: str,
        action: str,
        *,
        by: str,
        values: dict[str, Any] | None = None,
        note: str | None = None,
        digest: str | None = None,
        idempotency_key: str | None = None,
    ) -> Request:
        """Decide a request. A repeat of one's own decision returns the request as it stands.

        Raises:
            RequestNotFound: There is no such request.
            RequestClosed: It is closed already.
            StaleDigest: `digest` is not of what the request shows now.
            InvalidAnswer: The action, the values or the note do not fit.
        """
        ballot = Ballot(action=action, values=values or {}, note=note, digest=digest)
        return await deciding.decide(
            self.office, str(request_id), ballot, by=by, idempotency_key=idempotency_key
        )

    async def take_back(self, request_id: str, *, by: str) -> Request:
        """Take one's vote back, while the request is open.

        Raises:
            RequestNotFound, RequestClosed
        """
        return await amend.take_back(self.office, str(request_id), by=by)

    async def claim(self, request_id: str, *, by: str) -> Request:
        """Show that one works on a request; all others may still decide it.

        Raises:
            RequestNotFound, RequestClosed, Forbidden, AlreadyClaimed
        """
        return await amend.claim(self.office, str(request_id), by=by)

    async def release(self, request_id: str, *, by: str) -> Request:
        """Give up one's claim.

        Raises:
            RequestNotFound, RequestClosed, AlreadyClaimed
        """
        return await amend.release(self.office, str(request_id), by=by)

    async def delegate(self, request_id: str, to: str, *, by: str) -> Request:
        """Hand a request on to a user or a ``group:``, who may then decide it with the same right.

        Raises:
            RequestNotFound, RequestClosed, Forbidden, InvalidInput
        """
        return await amend.delegate(self.office, str(request_id), to, by=by)

    async def comment(self, request_id: str, text: str, *, by: str) -> Request:
        """Say something on a request.

        Raises:
            RequestNotFound, RequestClosed, InvalidInput
        """
        return await amend.comment(self.office, str(request_id), text, by=by)

    async def withdraw(self, request_id: str, *, by: str, note: str | None = None) -> Request:
        """Take a request back, without an outcome; its thread stays where it is.

        Raises:
            RequestNotFound, RequestClosed, Forbidden
        """
        return await amend.withdraw(self.office, str(request_id), by=by, note=note)

    async def cancel(self, thread_id: str, run_id: str, *, by: str) -> Run:
        """Stop a run, and withdraw what it asks.

        Raises:
            ThreadNotFound, RunNotFound: There is no such thread or run.
            Conflict: The run has ended already.
        """
        return await cancel_run(self.office, thread_id, run_id, by=by)

    async def retry(self, request_id: str, *, by: str, reask: bool = False) -> Request:
        """Deliver an outcome again whose delivery failed; or, with `reask`, ask the question anew.

        Raises:
            RequestNotFound: There is no such request.
            NotRetryable: Its delivery has not failed.
        """
        return await retry(self.office, str(request_id), by=by, reask=reask)

    async def audit(self, *, request_id: str | None = None, thread_id: str | None = None) -> Any:
        """The audit entries of a request or of a thread, in order."""
        return await read.audit_entries(self.office, request_id=request_id, thread_id=thread_id)


@asynccontextmanager
async def open_front_desk(
    database_url: str, settings: Settings, *, now: Callable[[], datetime] = utcnow
) -> AsyncIterator[FrontDesk]:
    """The counter of a desk whose graphs are executed by others; it knows them by name.

    Raises:
        DatabaseNotReady: The database does not answer, or has not this program's schema.
    """
    async with Database(
        database_url,
        max_connections=settings.connections,
        sealer=sealing.of_project(settings),
    ) as database:
        await schema.check(database)
        jobs = Jobs(database)
        await jobs.open()
        async with Notices(database) as notices:
            office = Office(
                database=database,
                group=GroupCommit(database),
                notices=notices,
                jobs=jobs,
                catalog=Catalog(map(Served, settings.graphs)),
                now=now,
            )
            yield FrontDesk(settings, office)
