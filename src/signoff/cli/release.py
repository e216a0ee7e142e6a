"""`signoff release`."""

from __future__ import annotations

from signoff.cli.handling import RequestId, handle
from signoff.cli.options import AsJson, By


def release(
    request: RequestId,
    *,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Give up your claim on a request."""
    handle(
        lambda desk, acting: desk.release(request, by=acting),
        "has released",
        by=by,
        as_json=as_json,
    )
