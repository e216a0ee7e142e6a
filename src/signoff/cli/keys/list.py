"""`signoff keys list`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff import render
from signoff.cli.keys.printing import print_keys
from signoff.cli.options import AsJson
from signoff.cli.output import print_json
from signoff.cli.session import open_desk, run
from signoff.clock import utcnow
from signoff.domain.key import Key
from signoff.service import keys


def list_(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that open no more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the API keys, with what they may do and when they were used last."""
    now = utcnow()
    found = [key for key in run(_list()) if everything or key.state(now) == "active"]
    if as_json:
        print_json({"items": [render.key_json(key, now) for key in found]})
    elif found:
        print_keys(found, now)
    else:
        print("No keys here.")


async def _list() -> list[Key]:
    async with open_desk() as desk:
        return await keys.list_keys(desk.office)
