"""`signoff deliveries show`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from signoff import render
from signoff.cli.options import AsJson
from signoff.cli.output import moment, print_facts, print_json, state
from signoff.cli.session import open_desk, run
from signoff.db.message_lists import MessageDelivery
from signoff.service.deliveries import get_delivery


def show(
    delivery: Annotated[str, typer.Argument(help="Its id.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a message: whom it tells of what, and how it fares."""
    found = run(_show(delivery))
    if as_json:
        print_json(render.delivery_json(found))
        return
    item = found.item
    facts: list[tuple[str, str | Text | None]] = [
        ("id", item.id),
        ("state", state(found.state)),
        ("to", item.recipient),
        ("channel", item.channel),
        ("address", render.shown_address(item)),
        ("of", item.occasion),
        ("request", item.request_id),
        ("thread", item.thread_id),
        ("graph", found.graph),
        ("happened", moment(item.at)),
        ("tries", str(item.attempts)),
        ("next try", _moment(found.due_at)),
        ("settled", _moment(found.settled_at)),
        ("error", found.error),
    ]
    print_facts([(name, fact) for name, fact in facts if fact is not None])


def _moment(at: datetime | None) -> str | None:
    return None if at is None else moment(at)


async def _show(delivery: str) -> MessageDelivery:
    async with open_desk() as desk:
        return await get_delivery(desk.office, delivery)
