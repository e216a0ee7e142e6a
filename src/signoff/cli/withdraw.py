"""`signoff withdraw`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.cli.handling import RequestId, handle
from signoff.cli.options import AsJson, By


def withdraw(
    request: RequestId,
    *,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for the audit.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Take a request back, without an outcome; its thread stays where it is."""
    handle(
        lambda desk, acting: desk.withdraw(request, by=acting, note=note),
        "has withdrawn",
        by=by,
        as_json=as_json,
    )
