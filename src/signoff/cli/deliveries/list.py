"""`signoff deliveries list`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff import render
from signoff.cli.options import AsJson
from signoff.cli.output import Column, print_json, print_table, state
from signoff.cli.session import open_desk, run
from signoff.clock import utcnow
from signoff.db.message_lists import MessageDelivery
from signoff.service.deliveries import DeliveryPage, list_deliveries
from signoff.speech import ago


def list_(
    *,
    states: Annotated[
        list[str] | None,
        typer.Option(
            "--state", help="waiting, gathered, sending, sent, dropped or dead; may be repeated."
        ),
    ] = None,
    request: Annotated[str | None, typer.Option(help="Only those about this request.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List messages to people and webhooks, the newest first."""
    page = run(_list(states, request, limit))
    if as_json:
        items = [render.delivery_json(each) for each in page.items]
        print_json({"items": items, "next_cursor": page.next_cursor})
    elif page.items:
        _print(page.items)
    else:
        print("No deliveries here.")


async def _list(states: list[str] | None, request: str | None, limit: int) -> DeliveryPage:
    async with open_desk() as desk:
        return await list_deliveries(
            desk.office, states=states or None, request_id=request, limit=limit
        )


def _print(found: list[MessageDelivery]) -> None:
    now = utcnow()
    print_table(
        [
            Column("ID"),
            Column("TO", wraps=True),
            Column("BY"),
            Column("OF"),
            Column("STATE"),
            Column("TRIES", extra=True),
            Column("HAPPENED"),
            Column("ERROR", wraps=True, extra=True),
        ],
        [
            (
                each.item.id,
                each.item.recipient or render.shown_address(each.item),
                each.item.channel,
                each.item.occasion,
                state(each.state),
                str(each.item.attempts),
                ago(each.item.at, now),
                each.error or "",
            )
            for each in found
        ],
    )
