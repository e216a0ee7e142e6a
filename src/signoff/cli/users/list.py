"""`signoff users list`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff import render
from signoff.cli.options import AsJson
from signoff.cli.output import print_json
from signoff.cli.session import open_desk, run
from signoff.cli.users.printing import print_users
from signoff.domain.principal import GROUP
from signoff.domain.user import User
from signoff.service import users


def list_(
    *,
    group: Annotated[str | None, typer.Option(help="Those in this group.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the users, with their groups and the times that they are away."""
    wanted = None if group is None else group.removeprefix(GROUP)
    found = [user for user in run(_list()) if wanted is None or wanted in user.groups]
    if as_json:
        print_json({"items": [render.user_json(user) for user in found]})
    elif found:
        print_users(found)
    else:
        print("Nobody here.")


async def _list() -> list[User]:
    async with open_desk() as desk:
        return await users.list_users(desk.office)
