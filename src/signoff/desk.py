"""The desk: wires the parts together, and is what a program holds in its hand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from fastapi import FastAPI

from signoff import config as configuration
from signoff.api.app import create_app
from signoff.api.principals import PrincipalPolicy, header_principal
from signoff.config import Settings
from signoff.db import embedded
from signoff.db.group import GroupCommit
from signoff.db.jobs import Jobs
from signoff.db.notices import Notices
from signoff.db.pool import Database
from signoff.db.stream_events import StreamEvent
from signoff.domain.decision import Ballot
from signoff.domain.errors import ConfigError
from signoff.domain.request import Request
from signoff.domain.run import Run
from signoff.domain.thread import Thread
from signoff.graph import catalog, pauses
from signoff.graph.catalog import Catalog, GraphLike
from signoff.graph.opening import Book, Opener
from signoff.graph.saver import SignoffSaver, utcnow
from signoff.policies import PolicyBook, PolicyFile
from signoff.project import CONFIG_FILE
from signoff.service import amend, read, wait
from signoff.service import decide as deciding
from signoff.service.cancel import cancel_run
from signoff.service.migrate import check, migrate
from signoff.service.office import Office
from signoff.service.read import RequestPage
from signoff.service.retry import retry
from signoff.service.start_run import Order, start_run
from signoff.service.stream import follow_thread, stream_options
from signoff.service.users import declare_users, follow_users
from signoff.worker.engine import Engine


class Signoff:
    """A desk: serves graphs, opens a request for each of their pauses, and delivers decisions.

    ``database_url=None`` takes the setting of that name, and without one starts an embedded
    PostgreSQL in ``.signoff/``, where it also creates or updates the schema. On a database of
    your own, `signoff migrate` does that.

    `graphs` are builders or compiled graphs by name; without them, those of the project's
    configuration are served. `config` names the `signoff.toml`, whose absence is no error; its
    policies hold for what is opened, also those of a file that changes meanwhile, and its users are
    kept in the database.

    Inside ``async with`` the desk works off jobs in this process; with ``work=False`` it leaves
    them to workers elsewhere.

    Raises, on entering:
        ConfigError: The configuration, a graph or a package's kind of pauses is not in order.
        InvalidPolicy: A policy is not in order, or names users or groups that there are not.
        DatabaseNotReady: The database does not answer, or has not this program's schema.
    """

    def __init__(
        self,
        database_url: str | None = None,
        graphs: Mapping[str, GraphLike] | None = None,
        config: str | os.PathLike[str] | Settings = CONFIG_FILE,
        *,
        work: bool = True,
        now: Callable[[], datetime] = utcnow,
        policies: Callable[[], PolicyBook] | None = None,
    ) -> None:
        if isinstance(config, Settings):
            self.settings = config
            self._project = Path.cwd()
        else:
            path = Path(config)
            self._project = path.resolve().parent
            if graphs is None:
                configuration.export_variables(self._project)
            self.settings = configuration.load(
                self._project, file=path if path.name != CONFIG_FILE else None
            )
        if policies is None:
            policies = PolicyBook if isinstance(config, Settings) else PolicyFile(Path(config))
        self._book: Book = policies
        self._database_url = database_url or self.settings.database_url
        self._graphs = graphs
        self._work = work
        self._now = now
        self._stack = AsyncExitStack()
        self._office: Office | None = None
        self._notices: Notices
        self._group: GroupCommit
        self.engine: Engine | None = None

    async def __aenter__(self) -> Self:
        pauses.kinds()  # one of a package that cannot be used shows now, not at the first pause
        async with AsyncExitStack() as stack:
            database = await self._open_database(stack)
            self._group = GroupCommit(database)
            jobs = Jobs(database)
            await jobs.open()
            self._notices = await stack.enter_async_context(Notices(database))
            graphs = self._graphs
            if graphs is None:
                graphs = catalog.load(
                    self._project, self.settings.graphs, self.settings.dependencies
                )
            self._office = Office(
                database=database,
                group=self._group,
                notices=self._notices,
                jobs=jobs,
                catalog=Catalog(graphs, partial(self._saver, database)),
                now=self._now,
                book=self._book,
            )
            await declare_users(database, self._book().users)
            if isinstance(self._book, PolicyFile):
                await stack.enter_async_context(follow_users(self._office, self._book))
            if self._work:
                self.engine = await stack.enter_async_context(self._engine())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()
        self._office = None

    def _saver(self, database: Database, graph: str) -> SignoffSaver:
        return SignoffSaver(database, self._group, graph, now=self._now, opener=Opener(self._book))

    async def _open_database(self, stack: AsyncExitStack) -> Database:
        url = self._database_url
        own = url is None
        if url is None:
            server = await asyncio.to_thread(embedded.start, self.settings.data_dir)
            stack.push_async_callback(asyncio.to_thread, server.close)
            url = server.url
        database = Database(url, max_connections=self.settings.connections)
        await stack.enter_async_context(database)
        if own:
            await migrate(database)
        await check(database)
        return database

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
        return self._notices

    def checkpointer(self, graph: str) -> SignoffSaver:
        """A checkpointer for a graph that runs elsewhere than in this desk's workers.

        Its pauses become requests under the name `graph`.
        """
        return self._saver(self.office.database, graph)

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
    ) -> Run:
        """Start a run of a graph on a thread, a new one if it does not exist; it waits its turn.

        `stream` names what `Desk.stream` is to find, of LangGraph's stream modes: of ``values``,
        ``updates``, ``messages``, ``messages-tuple``, ``custom``, ``tasks``, ``debug`` and
        ``checkpoints``; with `subgraphs`, also what subgraphs stream. The runs that go on from it
        stream the same.

        Raises:
            GraphNotFound: The graph is not served here.
            InvalidInput: The thread id, the principal or the input is not well formed.
            TooLarge: The input is over 1 MiB.
        """
        order = Order(
            graph=graph,
            thread_id=thread_id or wait.new_thread_id(),
            by=by,
            input=input,
            config=config or {},
            context=context,
            metadata=metadata or {},
            options=stream_options(stream, subgraphs=subgraphs),
        )
        return await start_run(self.office, order)

    async def wait(self, thread_id: str, *, timeout: float | None = None) -> Thread:
        """The thread, once it is paused, done or failed and nothing waits to be worked off.

        Raises:
            ThreadNotFound: There is no such thread.
            TimeoutError: It took longer than `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            return await wait.until_settled(self.office, self._notices, thread_id)

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
        return await read.get_request(self.office, request_id)

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

    def asgi_app(self, *, principal: PrincipalPolicy = header_principal) -> FastAPI:
        """The HTTP API, to be served or to be mounted in a FastAPI of one's own.

        `principal` names who calls: a function of the request that returns the name, or raises
        `errors.Unauthenticated`. Unless one is given, the header ``X-Signoff-Principal`` is
        believed, so it has to come from something in front that one trusts.

        Mounted, the desk has to be open by the time that requests come, as inside the lifespan of
        the application around it; served by itself, the application opens and closes the desk.
        """
        return create_app(self, principal=principal, lifespan=self._while_served)

    @asynccontextmanager
    async def _while_served(self, app: FastAPI) -> AsyncIterator[None]:
        if self._office is not None:
            yield
            return
        async with self:
            yield

    async def work(self) -> None:
        """Work off jobs until cancelled; then runs end, or are handed back, as the desk's own do.

        For a desk with ``work=False`` in a process of yours that is to be a worker. A desk that
        works by itself has nothing more to do here.
        """
        if self.engine is not None:
            await asyncio.get_running_loop().create_future()
        async with self._engine():
            await asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def _engine(self) -> AsyncIterator[Engine]:
        engine = Engine(
            self.office,
            self._notices,
            capacity=self.settings.concurrency,
            takeover=self.settings.takeover,
            keep_streams=self.settings.keep_streams,
        )
        async with engine:
            try:
                yield engine
            finally:
                await engine.stop(self.settings.shutdown_grace.total_seconds())
