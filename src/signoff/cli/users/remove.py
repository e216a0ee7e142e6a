"""`signoff users remove`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.cli.options import AsJson
from signoff.cli.output import plain, print_json
from signoff.cli.session import open_desk, principal, run
from signoff.domain.errors import UserNotFound
from signoff.service import users


def remove(
    name: Annotated[str, typer.Argument(help="The name of a user.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Remove a user, and so out of all groups. What they decided stays."""
    run(_remove(name))
    if as_json:
        print_json({"removed": name})
    else:
        print(plain(f"{name} is removed."))


async def _remove(name: str) -> None:
    async with open_desk() as desk:
        by = principal(desk.settings, None)
        if not await users.remove_user(desk.office, name, by=by):
            raise UserNotFound.of(name)
