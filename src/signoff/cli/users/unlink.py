"""`signoff users unlink`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.cli.options import AsJson
from signoff.cli.output import plain, print_json
from signoff.cli.session import open_desk, principal, run
from signoff.db.identities import Identity
from signoff.service.identities import unlink as forget


def unlink(
    name: Annotated[str, typer.Argument(help="The name of a user.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Forget who a user is at the OpenID provider. Their sessions end.

    Whoever signs in there with this name next is the user from then on.
    """
    gone = run(_unlink(name))
    if as_json:
        print_json({"user": name, "unlinked": [_json(each) for each in gone]})
    elif gone:
        print(plain("\n".join(f"{name} was {each.subject} at {each.issuer}." for each in gone)))
    else:
        print(plain(f"{name} was nobody at an OpenID provider."))


def _json(identity: Identity) -> dict[str, str]:
    return {"issuer": identity.issuer, "subject": identity.subject}


async def _unlink(name: str) -> list[Identity]:
    async with open_desk() as desk:
        return await forget(desk.office, name, by=principal(desk.settings, None))
