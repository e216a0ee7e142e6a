"""`signoff users groups`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from signoff import render
from signoff.cli.options import AsJson
from signoff.cli.output import Column, print_json, print_table
from signoff.cli.session import open_desk, principal, run
from signoff.cli.users.printing import print_users
from signoff.domain.principal import GROUP
from signoff.domain.user import User, groups_of
from signoff.project import users as tables
from signoff.service import users


def groups(
    name: Annotated[str | None, typer.Argument(help="The name of a user.")] = None,
    *,
    add: Annotated[
        list[str] | None, typer.Option(help="A group to be in; may be given several times.")
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(help="A group to be in no more; may be given several times."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the groups with who is in them, or change those of a user."""
    if name is None:
        if add or remove:
            raise typer.BadParameter("it is not said whose groups change", param_hint="NAME")
        _print_groups(groups_of(run(_everybody())), as_json=as_json)
        return
    joined = [each.removeprefix(GROUP) for each in add or ()]
    left = [each.removeprefix(GROUP) for each in remove or ()]
    tables.read({"name": name, "groups": joined})

    def changed(user: User) -> User:
        among = dict.fromkeys((*user.groups, *joined))
        return replace(user, groups=tuple(each for each in among if each not in left))

    after = run(_change(name, changed))
    if as_json:
        print_json(render.user_json(after))
    else:
        print_users([after])


def _print_groups(found: dict[str, list[str]], *, as_json: bool) -> None:
    if as_json:
        print_json({"items": [{"name": name, "users": found[name]} for name in found]})
    elif found:
        columns = [Column("GROUP"), Column("USERS", wraps=True)]
        print_table(columns, [(GROUP + name, ", ".join(found[name])) for name in found])
    else:
        print("No groups here.")


async def _everybody() -> list[User]:
    async with open_desk() as desk:
        return await users.list_users(desk.office)


async def _change(name: str, changed: users.Change) -> User:
    async with open_desk() as desk:
        return await users.change_user(
            desk.office, name, changed, by=principal(desk.settings, None)
        )
