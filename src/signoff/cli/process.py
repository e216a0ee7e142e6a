"""A process that stays: it serves the API, executes runs, or both, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any

import uvicorn

from signoff.authentication import Authenticate, nobody_else
from signoff.cli import garbage
from signoff.cli.address import AddressTaken, bind, listen, url_of
from signoff.cli.http_server import Connection, HttpServer
from signoff.cli.session import database_address
from signoff.cli.stop import Stop
from signoff.config import Settings
from signoff.db.pool import Database
from signoff.desk import Signoff
from signoff.domain.errors import ConfigError
from signoff.log import get_logger
from signoff.policies.file import PolicyFile
from signoff.project.files import CONFIG_FILE
from signoff.service.migrate import migrate
from signoff.service.sessions import can_anybody_come_in
from signoff.service.users import declare_users

log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """What a process does; with a `listener`, `authenticate` says who calls its API."""

    settings: Settings
    work: bool
    migrate: bool = False
    listener: socket | None = None
    authenticate: Authenticate = nobody_else

    async def run(self, stop: Stop, on_ready: Callable[[], None]) -> None:
        """Do it until `stop`; `on_ready` is called once everything answers.

        Raises:
            ConfigError: The project or a graph is not in order.
            DatabaseNotReady: The database does not answer, or has not this program's schema.
            AddressTaken: Somebody else has come to listen there meanwhile.
        """
        garbage.leave()  # until it is ready
        stop.listen()
        if not self.settings.graphs:
            raise ConfigError(
                "there are no graphs here: name them in langgraph.json, or under [graphs] in "
                "signoff.toml"
            )
        async with self._desk() as desk:
            if self.listener is not None and self.authenticate is nobody_else:
                await self._check_entrance(desk)
            async with self._metrics(desk):
                if self.listener is None:
                    garbage.look(first=True)
                    on_ready()
                    await stop.wait()
                else:
                    await self._serve(desk, self.listener, stop, on_ready)

    async def _check_entrance(self, desk: Signoff) -> None:
        """Return if somebody can call.

        Raises:
            ConfigError: Nobody can; or an OpenID provider would not know where to send them back.
        """
        if self.settings.oidc is not None and self.settings.public_url is None:
            raise ConfigError(
                "`signoff serve` does not start: with [oidc] it needs `public_url`, the address "
                "that people reach it at, since the provider sends them back there"
            )
        if self.settings.oidc is None and not await can_anybody_come_in(desk.office):
            raise ConfigError(
                "`signoff serve` does not start, since nobody could call it: make an API key "
                "with `signoff keys create`, let a user sign in with `signoff users password`, or "
                "have people sign in with an OpenID provider by [oidc] in signoff.toml. `signoff "
                "dev` serves this machine alone, for whoever is at it"
            )

    @asynccontextmanager
    async def _desk(self) -> AsyncIterator[Signoff]:
        async with database_address(self.settings, create=self.migrate) as url:
            file = Path.cwd() / CONFIG_FILE
            policies = PolicyFile(file, groups_come=self.settings.groups_come)
            if self.migrate:
                async with Database(url, max_connections=2) as database:
                    await migrate(database)
                    # On one's own machine the file has the last word; elsewhere others may have
                    # users in the same database, from files of their own.
                    await declare_users(database, policies().users, forget_others=True)
            async with Signoff(url, None, self.settings, work=self.work, policies=policies) as desk:
                yield desk

    @asynccontextmanager
    async def _metrics(self, desk: Signoff) -> AsyncIterator[None]:
        """Meanwhile serve the figures of this process, if they are to have a port of their own."""
        settings = self.settings
        if not settings.metrics or settings.metrics_port is None:
            yield
            return
        try:
            listener = bind(settings.metrics_host, settings.metrics_port)
            listen(listener)
        except AddressTaken as error:
            raise AddressTaken(
                f"metrics_port: {error.message.partition(';')[0]}; each process on a machine takes "
                "one of its own: set SIGNOFF_METRICS_PORT"
            ) from error
        from signoff.api.metrics import create_app  # a worker without it loads no FastAPI

        app = create_app(desk, desk.metrics)
        config = uvicorn.Config(app, http=Connection, ws="none", log_config=None, access_log=False)
        server = HttpServer(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="signoff metrics")
        await server.listens.wait()
        log.info("metrics", address=f"{url_of(listener)}/metrics")
        try:
            yield
        finally:
            server.should_exit = True
            await serving

    async def _serve(
        self, desk: Signoff, listener: socket, stop: Stop, on_ready: Callable[[], None]
    ) -> None:
        settings = self.settings
        grace = settings.shutdown_grace.total_seconds()
        patience = settings.read_timeout.total_seconds()
        server = HttpServer(
            uvicorn.Config(
                desk.asgi_app(authenticate=self.authenticate),
                http=partial(Connection, patience=patience),  # type: ignore[arg-type]
                ws="none",
                log_config=None,
                access_log=False,  # it has whole addresses: see `signoff.api.edge`
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                limit_concurrency=settings.max_connections,
                timeout_graceful_shutdown=max(1, round(grace)),
            )
        )
        listen(listener)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await _first(serving, server.listens.wait())
        if not serving.done():
            garbage.look(first=True)
            on_ready()
            await _first(serving, stop.wait())
        server.should_exit = True
        desk.notices.close()
        if desk.engine is not None:
            # While calls that wait for a run are let end, so is the run.
            await desk.engine.stop(grace)
        await serving


async def _first(task: asyncio.Task[None], other: Coroutine[Any, Any, Any]) -> None:
    """Return once one of them has ended."""
    waiting = asyncio.ensure_future(other)
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
