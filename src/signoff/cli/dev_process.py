"""The process that `signoff dev` runs, or supervises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from socket import send_fds, socket

import typer

from signoff.cli import logs
from signoff.cli.address import AddressTaken, bind, refuse_strangers, url_of
from signoff.cli.errors import refused
from signoff.cli.loop import run_loop
from signoff.cli.process import Process
from signoff.cli.session import settings_here, with_mail_folder
from signoff.cli.stop import Stop
from signoff.cli.supervisor import PROJECT_BROKEN
from signoff.config import Settings
from signoff.domain.errors import ConfigError, InvalidPolicy
from signoff.own_machine import OwnMachine

GRACE = timedelta(seconds=2)
"""How long runs may go on at most when the process is to end: one waits for it while editing."""


def run(host: str | None, port: int | None, supervisor: int | None, listener: int | None) -> None:
    """Serve the project until told to stop.

    `supervisor` is the line to the process that supervises this one, `listener` what this one's
    predecessor listened on; both are file descriptors.
    """
    line = None if supervisor is None else socket(fileno=supervisor)
    inherited = None if listener is None else socket(fileno=listener)
    with _project_may_be_broken(line):
        settings = settings_here()
    logs.configure(settings.log_level, settings.log_format)
    if inherited is None:
        refuse_strangers(host or settings.host)
        inherited = bind(host or settings.host, settings.port if port is None else port)
    _serve(settings, inherited, line)


def _serve(settings: Settings, listener: socket, line: socket | None) -> None:
    url = url_of(listener)

    def on_ready() -> None:
        print(f"Signoff is ready at {url}\nThe inbox is at {url}/inbox", flush=True)
        if line is not None:
            send_fds(line, [b"r"], [listener.fileno()])

    grace = min(settings.shutdown_grace, GRACE)
    settings = with_mail_folder(settings).model_copy(
        update={"shutdown_grace": grace, "public_url": settings.public_url or url}
    )
    process = Process(
        settings=settings,
        work=True,
        migrate=True,
        listener=listener,
        authenticate=OwnMachine(),
    )
    with _project_may_be_broken(line):
        run_loop(process.run(Stop(line), on_ready))


@contextmanager
def _project_may_be_broken(line: socket | None) -> Iterator[None]:
    """Tell a supervisor from a project that is not in order: it waits until that has changed."""
    try:
        yield
    except AddressTaken:
        raise
    except (ConfigError, InvalidPolicy) as error:
        if line is None:
            raise
        refused(error, as_json=False)
        raise typer.Exit(PROJECT_BROKEN) from error
