"""`signoff delegate`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.cli.handling import RequestId, handle
from signoff.cli.options import AsJson, By
from signoff.cli.output import plain


def delegate(
    request: RequestId,
    to: Annotated[str, typer.Argument(metavar="TO", help="A user, or group:NAME.")],
    *,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Hand a request on to a user or a group.

    They may then decide it with your right, and hand it on in turn. So may you still.
    """
    handle(
        lambda desk, acting: desk.delegate(request, to, by=acting),
        f"has handed on to {plain(to)}",
        by=by,
        as_json=as_json,
    )
