"""`signoff dev`."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from signoff.cli import garbage
from signoff.cli.address import refuse_strangers
from signoff.cli.options import Host, Port
from signoff.cli.supervisor import Supervisor
from signoff.domain.errors import ConfigError
from signoff.project.files import CONFIG_FILE, LANGGRAPH_FILE

FILES = (LANGGRAPH_FILE, CONFIG_FILE)


def dev(
    *,
    host: Host = None,
    port: Port = None,
    reload: Annotated[
        bool, typer.Option(help="Start again when a file of the project changes.")
    ] = True,
    supervisor: Annotated[int | None, typer.Option(hidden=True)] = None,
    listener: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve the project in this folder while you work on it.

    The API and a worker in one process, on the database that SIGNOFF_DATABASE_URL names or else on
    an embedded one in .signoff, which is brought to this version first. Only this machine reaches
    it, and whoever calls acts as `dev`, or as a user of signoff.toml where they wish to.

    It starts again when a Python file of the project changes, or signoff.toml or langgraph.json.
    """
    if host is not None:
        refuse_strangers(host)
    if not any((Path.cwd() / name).exists() for name in FILES) and not os.environ.get(
        "SIGNOFF_GRAPHS"
    ):
        raise ConfigError(f"this folder is no project: it has neither {' nor '.join(FILES)}")
    if reload and supervisor is None:
        command = [sys.executable, "-m", "signoff.cli", "dev"]
        command += [] if host is None else ["--host", host]
        command += [] if port is None else ["--port", str(port)]
        raise typer.Exit(Supervisor(command, Path.cwd()).run())
    # Not imported above: the supervisor stays small without it.
    garbage.leave()
    import_module("signoff.cli.dev_process").run(host, port, supervisor, listener)
