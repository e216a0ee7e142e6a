"""`signoff notifications test`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from signoff.channel_setup import channels
from signoff.cli.errors import FAILED
from signoff.cli.options import AsJson
from signoff.cli.output import Column, plain, print_json, print_table
from signoff.cli.session import open_desk, run, with_mail_folder
from signoff.clock import utcnow
from signoff.service.try_channels import Trial, try_channels
from signoff.service.users import get_user


def test(
    name: Annotated[str, typer.Argument(help="The name of a user.")],
    *,
    as_json: AsJson = False,  # noqa: PT028 - no test of pytest's
) -> None:
    """Send a user a test message by each channel that reaches them.

    It goes out now and from here, whatever the user chose. Without a mail server in the project's
    settings, e-mails are files, as with `signoff dev` and its embedded database.
    """
    found = run(_test(name))
    if as_json:
        print_json({"items": [asdict(each) for each in found]})
    elif not found:
        print(plain(f"There is no address of {name}: `signoff users add {name} --email ...`."))
    else:
        print_table(
            [Column("CHANNEL"), Column("ADDRESS"), Column("RESULT", wraps=True)],
            [(each.channel, each.address, each.error or "handed over") for each in found],
        )
    if not found or any(each.error for each in found):
        raise typer.Exit(FAILED)


async def _test(name: str) -> list[Trial]:
    async with open_desk() as desk:
        settings = desk.settings
        if settings.database_url is None:
            settings = with_mail_folder(settings)
        user = await get_user(desk.office, name)
        return await try_channels(
            user,
            channels(settings, now=utcnow),
            at=utcnow(),
            url=desk.office.url_of("/inbox"),
        )
