"""`signoff users add`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from signoff import render
from signoff.cli.options import AsJson
from signoff.cli.output import plain, print_json
from signoff.cli.session import open_desk, principal, run
from signoff.domain.principal import GROUP, Role
from signoff.domain.user import User
from signoff.project import users as tables
from signoff.service import users


def add(
    name: Annotated[str, typer.Argument(help="As they sign in, such as jane@firm.com.")],
    *,
    group: Annotated[
        list[str] | None,
        typer.Option(help="A group to be in; may be given several times."),
    ] = None,
    email: Annotated[str | None, typer.Option(help="Where to write to.")] = None,
    role: Annotated[Role | None, typer.Option(help="How far they may go.")] = None,
    graph: Annotated[
        list[str] | None,
        typer.Option(help="Only what belongs to this graph; may be given several times."),
    ] = None,
    apprise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS", help="An address in a chat, in place of those there are; repeatable."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a user, or add to one that there is: groups, addresses, role, graphs."""
    table: dict[str, Any] = {
        "name": name,
        "groups": [each.removeprefix(GROUP) for each in group or ()],
    }
    further = {"email": email, "role": role, "graphs": graph or None, "apprise": apprise}
    given = tables.read(table | {key: value for key, value in further.items() if value is not None})

    def added(user: User) -> User:
        groups = tuple(dict.fromkeys((*user.groups, *given.groups)))
        return replace(
            user,
            groups=groups,
            email=given.email or user.email,
            role=role or user.role,
            graphs=user.graphs if given.graphs is None else given.graphs,
            addresses=given.addresses or user.addresses,
        )

    after = run(_change(name, added))
    if as_json:
        print_json(render.user_json(after))
    else:
        among = f" is in {', '.join(after.groups)}" if after.groups else " is in no group"
        print(plain(f"{after.name}{among}."))


async def _change(name: str, added: users.Change) -> User:
    async with open_desk() as desk:
        return await users.change_user(
            desk.office, name, added, create=True, by=principal(desk.settings, None)
        )
