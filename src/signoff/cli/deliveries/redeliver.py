"""`signoff deliveries redeliver`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff import render
from signoff.cli.options import AsJson, By
from signoff.cli.output import print_json
from signoff.cli.session import open_desk, principal, run
from signoff.db.message_lists import MessageDelivery
from signoff.service import deliveries


def redeliver(
    delivery: Annotated[str | None, typer.Argument(help="The id of one.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Have messages that were given up sent again, each under the id that it has."""
    if (delivery is None) != everything:
        raise typer.BadParameter("say which one, or --all", param_hint="DELIVERY")
    if delivery is not None:
        found = run(_one(delivery, by))
        if as_json:
            print_json(render.delivery_json(found))
        else:
            print(f"{found.item.id} is sent again.")
        return
    count = run(_all(by))
    if as_json:
        print_json({"redelivered": count})
    else:
        print(f"{count:,} sent again." if count else "Nothing was given up.")


async def _one(delivery: str, by: str | None) -> MessageDelivery:
    async with open_desk() as desk:
        return await deliveries.redeliver(desk.office, delivery, by=principal(desk.settings, by))


async def _all(by: str | None) -> int:
    async with open_desk() as desk:
        return await deliveries.redeliver_all(desk.office, by=principal(desk.settings, by))
