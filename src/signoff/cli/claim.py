"""`signoff claim`."""

from __future__ import annotations

from signoff.cli.handling import RequestId, handle
from signoff.cli.options import AsJson, By


def claim(
    request: RequestId,
    *,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Show that you work on a request; all others may still decide it."""
    handle(
        lambda desk, acting: desk.claim(request, by=acting),
        "has claimed",
        by=by,
        as_json=as_json,
    )
