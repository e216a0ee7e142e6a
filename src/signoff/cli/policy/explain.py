"""`signoff policy explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.cli.options import AsJson
from signoff.cli.output import print_json
from signoff.cli.policy.printing import fields_json, print_fields, print_moments
from signoff.cli.session import open_desk, run
from signoff.domain.request import Request
from signoff.policies.book import explained


def explain(
    request: Annotated[str, typer.Argument(metavar="ID", help="The id of a request.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Say which policy a request has.

    Each field with where it comes from, and what is planned.
    """
    found = run(_request(request))
    fields = explained(found.policy)
    if as_json:
        print_json(
            {
                "request_id": found.id,
                "state": found.state.value,
                "fields": fields_json(fields),
                "timetable": [moment.to_json() for moment in found.timetable],
            }
        )
        return
    print_fields(fields)
    if found.timetable:
        print("\nPlanned:")
        print_moments(found.timetable)
    elif found.remark:
        print(f"\n{found.remark}")


async def _request(request_id: str) -> Request:
    async with open_desk() as desk:
        return await desk.request(request_id)
