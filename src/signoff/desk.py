"""The desk: wires the parts together, and is what a program holds in its hand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from signoff import audit_key, sealing
from signoff import config as configuration
from signoff.channel_setup import channels
from signoff.channels.outgoing import Outgoing
from signoff.channels.webhook import WebhookChannel
from signoff.clock import utcnow
from signoff.collector import set_aside
from signoff.config import Settings
from signoff.db import embedded
from signoff.db.group import GroupCommit
from signoff.db.jobs import Jobs
from signoff.db.notices import Notices
from signoff.db.pool import Database
from signoff.domain.errors import ConfigError
from signoff.domain.outside import Allowed
from signoff.domain.run import Run, RunStatus
from signoff.front_desk import FrontDesk
from signoff.graph import loading
from signoff.graph.loading import GraphLike
from signoff.graph.opening import Book, Opener
from signoff.graph.saver import SignoffSaver
from signoff.pauses import registry
from signoff.policies.book import PolicyBook
from signoff.policies.file import PolicyFile
from signoff.project.files import CONFIG_FILE
from signoff.render import request_json
from signoff.service.migrate import check, migrate
from signoff.service.office import Office
from signoff.service.users import declare_users, follow_users
from signoff.tracing import traces_of
from signoff.worker.courier import Courier
from signoff.worker.engine import Engine

if TYPE_CHECKING:
    from fastapi import FastAPI

    from signoff.authentication import Authenticate
    from signoff.metrics import Metrics


class Signoff(FrontDesk):
    """A desk: serves graphs, opens a request for each of their pauses, and delivers decisions.

    ``database_url=None`` takes the setting of that name, and without one starts an embedded
    PostgreSQL in ``.signoff/``, where it also creates or updates the schema. On a database of
    your own, `signoff migrate` does that.

    `graphs` are builders or compiled graphs by name; without them, those of the project's
    configuration are served. `config` names the `signoff.toml`, whose absence is no error; its
    policies hold for what is opened, also those of a file that changes meanwhile, and its users are
    kept in the database.

    Inside ``async with`` the desk works off jobs in this process; with ``work=False`` it leaves
    them to workers elsewhere. While it does, the garbage collector leaves alone what was there
    before (`gc.freeze`): see `signoff.collector`.

    Raises, on entering:
        ConfigError: The configuration, a graph or a package's kind of pauses is not in order; or
            the desk is open already.
        InvalidPolicy: A policy is not in order, names groups that there are not, or a
            breakpoint is at a node that there is not.
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
            settings = config
            self._project = Path.cwd()
        else:
            path = Path(config)
            self._project = path.resolve().parent
            if graphs is None:
                configuration.export_variables(self._project)
            settings = configuration.load(
                self._project, file=path if path.name != CONFIG_FILE else None
            )
        super().__init__(settings)
        if policies is None:
            policies = (
                PolicyBook
                if isinstance(config, Settings)
                else PolicyFile(Path(config), groups_come=settings.groups_come)
            )
        self._book: Book = policies
        self._database_url = database_url or self.settings.database_url
        self._graphs = graphs
        self._work = work
        self._now = now
        self._stack = AsyncExitStack()
        self._opened = False
        self._group: GroupCommit
        self.engine: Engine | None = None
        self._metrics: Metrics | None = None
        self._traces = traces_of(self.settings)

    async def __aenter__(self) -> Self:
        if self._opened:
            raise ConfigError("the desk is open already: `async with` opens it once at a time")
        self._opened = True
        try:
            return await self._open()
        except BaseException:
            self._opened = False
            raise

    async def _open(self) -> Self:
        registry.kinds()  # one of a package that cannot be used shows now, not at the first pause
        async with AsyncExitStack() as stack:
            database = await self._open_database(stack)
            self._group = GroupCommit(database)
            jobs = Jobs(database)
            await jobs.open()
            notices = await stack.enter_async_context(Notices(database))
            graphs = self._graphs
            if graphs is None:
                graphs = loading.load(
                    self._project, self.settings.graphs, self.settings.dependencies
                )
            catalog = loading.serve(graphs, partial(self._saver, database))
            if isinstance(self._book, PolicyFile):
                elsewhere = dict.fromkeys(self.settings.graphs)
                self._book.serve(elsewhere | {name: each.nodes for name, each in catalog.items()})
            self._office = Office(
                database=database,
                group=self._group,
                notices=notices,
                jobs=jobs,
                catalog=catalog,
                now=self._now,
                book=self._book,
                session_rules=self.settings.session_rules,
                run_ended=self._note_run,
                traces=self._traces,
                public_url=self.settings.public_url,
                delivery_timeout=self.settings.delivery_timeout,
                link_lifetime=self.settings.link_lifetime,
            )
            outgoing = await stack.enter_async_context(self._outgoing())
            self._office.webhooks = WebhookChannel(
                outgoing, lambda: self._book().webhooks, request_json
            )
            self._office.keyring.rates.per_minute = self.settings.key_rate
            await declare_users(database, self._book().users)
            policies = self._book if isinstance(self._book, PolicyFile) else None
            self._office.available = channels(self.settings, now=self._now)
            await stack.enter_async_context(follow_users(self._office, policies))
            if self._work:
                stack.enter_context(set_aside())
                self.engine = await stack.enter_async_context(self._engine())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._stack.aclose()
            await self._traces.close()
        finally:
            self._office = None
            self._opened = False

    def _saver(self, database: Database, graph: str) -> SignoffSaver:
        return SignoffSaver(database, self._group, graph, now=self._now, opener=Opener(self._book))

    def _outgoing(self) -> Outgoing:
        allowed = Allowed.read(self.settings.outgoing_allowed)
        return Outgoing(allowed, timeout=self.settings.delivery_timeout)

    async def _open_database(self, stack: AsyncExitStack) -> Database:
        url = self._database_url
        own = url is None
        if url is None:
            server = await asyncio.to_thread(embedded.start, self.settings.data_dir)
            stack.push_async_callback(asyncio.to_thread, server.close)
            url = server.url
        database = Database(
            url,
            max_connections=self.settings.connections,
            sealer=sealing.of_project(self.settings),
        )
        await stack.enter_async_context(database)
        if own:
            await migrate(database)
            if self.settings.audit_key is None:
                audit_key.create(audit_key.file_of(self.settings))
        await check(database)
        return database

    def checkpointer(self, graph: str) -> SignoffSaver:
        """A checkpointer for a graph that runs elsewhere than in this desk's workers.

        Its pauses become requests under the name `graph`.
        """
        return self._saver(self.office.database, graph)

    def asgi_app(self, *, authenticate: Authenticate | None = None) -> FastAPI:
        """The HTTP API and the inbox, to be served or to be mounted in a FastAPI of one's own.

        Programs call with an API key, and people sign in. Whom the application around it knows,
        `authenticate` says: a function of the request, awaited if need be, that returns a
        `Principal`, or None, or raises `errors.Unauthenticated`. All others are refused.

        Mounted, the desk has to be open by the time that requests come, as inside the lifespan of
        the application around it; served by itself, the application opens and closes the desk.
        """
        # Only who serves waits for the web framework to load.
        from signoff.api.app import create_app
        from signoff.authentication import nobody_else
        from signoff.web.app import install

        app = create_app(
            self,
            settings=self.settings,
            authenticate=authenticate or nobody_else,
            lifespan=self._while_served,
            metrics=self.metrics if self.settings.metrics else None,
            traces=self._traces,
        )
        install(app)
        return app

    @property
    def metrics(self) -> Metrics:
        """The figures of this process, and of the desk, for Prometheus."""
        from signoff.metrics import Metrics

        if self._metrics is None:
            self._metrics = Metrics(self)
        return self._metrics

    def _note_run(self, run: Run, status: RunStatus, seconds: float) -> None:
        if self._metrics is not None:
            self._metrics.run_ended(run, status, seconds)

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
            self.notices,
            capacity=self.settings.concurrency,
            takeover=self.settings.takeover,
            keep_streams=self.settings.keep_streams,
            audit_key=audit_key.of_project(self.settings),
            keep_audit=self.settings.keep_audit,
            anchor_every=self.settings.anchor_every,
        )
        courier = Courier(self.office, keep=self.settings.keep_messages)
        async with engine:
            courier.start()
            try:
                yield engine
            finally:
                grace = self.settings.shutdown_grace.total_seconds()
                await asyncio.gather(engine.stop(grace), courier.stop(grace))
