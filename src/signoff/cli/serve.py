"""`signoff serve`."""

from __future__ import annotations

from signoff.cli import logs
from signoff.cli.address import bind, url_of
from signoff.cli.loop import run_loop
from signoff.cli.options import Host, Port
from signoff.cli.process import Process
from signoff.cli.session import settings_here
from signoff.cli.stop import Stop


def serve(*, host: Host = None, port: Port = None) -> None:
    """Serve the API of the project in this folder, and leave runs to workers.

    Any number of servers may share a database. Whoever calls has an API key or has signed in: where
    nobody could, it does not start.
    """
    settings = settings_here()
    logs.configure(settings.log_level, settings.log_format)
    listener = bind(host or settings.host, settings.port if port is None else port)
    process = Process(settings=settings, work=False, listener=listener)
    run_loop(
        process.run(Stop(), lambda: print(f"Signoff is ready at {url_of(listener)}", flush=True))
    )
