"""`signoff keys revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff import render
from signoff.cli.options import AsJson
from signoff.cli.output import plain, print_json
from signoff.cli.session import open_desk, principal, run
from signoff.clock import utcnow
from signoff.domain.key import Key
from signoff.service import keys


def revoke(
    key: Annotated[str, typer.Argument(help="Its id, or its name for all of that name.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Revoke an API key, at once and for good. What was done with it stays."""
    revoked = run(_revoke(key))
    if as_json:
        print_json({"items": [render.key_json(each, utcnow()) for each in revoked]})
        return
    for each in revoked:
        print(plain(f"{each.id} of {each.principal} is revoked."))


async def _revoke(wanted: str) -> list[Key]:
    async with open_desk() as desk:
        return await keys.revoke_key(desk.office, wanted, by=principal(desk.settings, None))
