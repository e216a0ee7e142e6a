"""The option by which lists of requests are sorted."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.db.request_lists import SORTS


def _known(given: str) -> str:
    if given not in SORTS:
        raise typer.BadParameter(f"{given!r} is not one of {', '.join(SORTS)}.")
    return given


Sort = Annotated[str, typer.Option(callback=_known, help=f"By {', '.join(SORTS)}.")]
