"""`signoff migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.cli import logs
from signoff.cli.options import AsJson
from signoff.cli.output import print_json
from signoff.cli.session import database_address, run, settings_here
from signoff.db.pool import Database, probe
from signoff.service import migrate as schema


def migrate(
    *,
    app_role: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Give this role what Signoff's processes need."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the database to this version of Signoff.

    Creates what is missing, in one transaction: any number of processes may try at once, and the
    others find it done. An embedded database is created first if there is none.

    A role that Signoff's processes use, in place of the owner of the tables, can be given all that
    they need and no way to change what the audit says.
    """
    applied = run(_migrate(app_role))
    if as_json:
        print_json({"applied": applied})
        return
    for each in applied:
        print(f"applied {each}")
    if not applied:
        print("The database is up to date.")


async def _migrate(role: str | None) -> list[str]:
    settings = settings_here()
    logs.configure(settings.log_level, settings.log_format)
    async with database_address(settings, create=True) as url:
        await probe(url)
        async with Database(url, max_connections=2) as database:
            return await schema.migrate(database, role=role)
