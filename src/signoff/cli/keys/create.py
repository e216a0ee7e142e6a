"""`signoff keys create`."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import typer

from signoff import render
from signoff.cli.keys.printing import print_keys
from signoff.cli.options import AsJson
from signoff.cli.output import print_json
from signoff.cli.session import open_desk, principal, run
from signoff.clock import utcnow
from signoff.domain.duration import parse
from signoff.domain.errors import InvalidPolicy
from signoff.domain.key import Key
from signoff.domain.principal import Role
from signoff.service import keys


def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as sales-app.")],
    *,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="The user as whom it acts.")
    ] = None,
    role: Annotated[
        Role | None, typer.Option(help="How far it may go; reviewer, or as far as the user.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="A group it is in; may be given several times.")
    ] = None,
    graph: Annotated[
        list[str] | None,
        typer.Option(help="Only what belongs to this graph; may be given several times."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="After a time such as 90d, or at a date; never if not."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key, and show it once.

    It acts by the name key:NAME, or as the user that is named. Who has it may do what it may.
    """
    until = None if expires is None else _moment(expires)
    key, text = run(_create(name, user, role, group, graph, until))
    if as_json:
        print_json({**render.key_json(key, utcnow()), "key": text})
        return
    print_keys([key], utcnow())
    print(f"\nThe key, which is not shown again:\n{text}")


def _moment(text: str) -> datetime:
    try:
        return utcnow() + parse(text)
    except InvalidPolicy:
        pass
    try:
        day: date = date.fromisoformat(text)
        # The day is the last one on which it opens.
        return datetime.combine(day + timedelta(days=1), time(), UTC)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r:.80} is no time such as 90d, and no date", param_hint="--expires"
        ) from error


async def _create(
    name: str,
    user: str | None,
    role: Role | None,
    groups: list[str] | None,
    graphs: list[str] | None,
    until: datetime | None,
) -> tuple[Key, str]:
    async with open_desk() as desk:
        return await keys.create_key(
            desk.office,
            name,
            by=principal(desk.settings, None),
            user=user,
            role=role,
            groups=groups or (),
            graphs=graphs or None,
            expires_at=until,
        )
