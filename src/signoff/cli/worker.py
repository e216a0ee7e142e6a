"""`signoff worker`."""

from __future__ import annotations

from signoff.cli import logs
from signoff.cli.loop import run_loop
from signoff.cli.process import Process
from signoff.cli.session import settings_here
from signoff.cli.stop import Stop


def worker() -> None:
    """Execute the runs of the project in this folder.

    Any number of workers may share a database. Told to stop, by SIGTERM or Ctrl-C, a worker lets
    its runs end for as long as `shutdown_grace`, and hands the rest over to others.
    """
    settings = settings_here()
    logs.configure(settings.log_level, settings.log_format)
    process = Process(settings=settings, work=True)
    run_loop(process.run(Stop(), lambda: print("Signoff worker is ready", flush=True)))
