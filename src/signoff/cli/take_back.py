"""`signoff take-back`."""

from __future__ import annotations

from signoff.cli.handling import RequestId, handle
from signoff.cli.options import AsJson, By


def take_back(
    request: RequestId,
    *,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Take your vote on an open request back."""
    handle(
        lambda desk, acting: desk.take_back(request, by=acting),
        "has no vote on",
        by=by,
        as_json=as_json,
    )
