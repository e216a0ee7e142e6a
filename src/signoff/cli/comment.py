"""`signoff comment`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.cli.handling import RequestId, handle
from signoff.cli.options import AsJson, By


def comment(
    request: RequestId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What there is to say.")],
    *,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Say something on a request."""
    handle(
        lambda desk, acting: desk.comment(request, text, by=acting),
        "has commented on",
        by=by,
        as_json=as_json,
    )
