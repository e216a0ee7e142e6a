"""`signoff users away`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any

import typer

from signoff import render
from signoff.cli.options import AsJson
from signoff.cli.output import print_json
from signoff.cli.session import open_desk, principal, run
from signoff.cli.users.printing import print_users
from signoff.domain.user import User
from signoff.project import users as tables
from signoff.service import users


def away(
    name: Annotated[str, typer.Argument(help="The name of a user.")],
    *,
    substitute: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who decides meanwhile.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="The first day; from now on if not."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="The last day; until --back if not.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Where these days are; UTC by default.")
    ] = None,
    back: Annotated[
        bool, typer.Option("--back", help="They are back: forget all times away.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say who stands in for a user, and when, or that they are back.

    One more time away is added to those there are. DATE is a day such as 2026-12-21, or a moment
    with its offset such as 2026-12-21T12:00+01:00.
    """
    if back == (substitute is not None):
        raise typer.BadParameter("say either who stands in, or --back", param_hint="--substitute")
    absences: tuple[Any, ...] = ()
    if substitute is not None:
        table: dict[str, Any] = {"substitute": substitute}
        for key, text in (("from", since), ("until", until)):
            if text is not None:
                table[key] = _date(text, f"--{key}")
        zone = {} if timezone is None else {"timezone": timezone}
        absences = tables.read({"name": name, "away": table, **zone}).absences

    def changed(user: User) -> User:
        kept = () if back else tuple(each for each in user.absences if each not in absences)
        return replace(user, absences=(*kept, *absences))

    after = run(_change(name, substitute, changed))
    if as_json:
        print_json(render.user_json(after))
    else:
        print_users([after])


def _date(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r:.80} is no date", param_hint=option) from error


async def _change(name: str, substitute: str | None, changed: users.Change) -> User:
    async with open_desk() as desk:
        if substitute is not None:
            await users.get_user(desk.office, substitute)
        return await users.change_user(
            desk.office, name, changed, by=principal(desk.settings, None)
        )
