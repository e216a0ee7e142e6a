"""`signoff decide`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from signoff import render
from signoff.cli.forms import ITEM, typed_items
from signoff.cli.options import AsJson, By, json_argument
from signoff.cli.output import plain, print_json
from signoff.cli.session import open_desk, principal, run
from signoff.domain.request import Request, RequestState


def decide(
    request: Annotated[str, typer.Argument(metavar="ID", help="The id of a request.")],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="One of its actions.")],
    *,
    values: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="The object that the action asks for; - reads it from standard input.",
        ),
    ] = None,
    item: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DECISION",
            help="For a batch, one for each call, in order: approve, reject, reject=MESSAGE, "
            "respond=MESSAGE, edit=JSON.",
        ),
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="What else is to say.")] = None,
    digest: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST",
            help="Of what was shown: refused if the request shows something else by now.",
        ),
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Decide a request: `signoff show ID` has its actions.

    The first decision wins; a later one changes nothing and ends with 1. Saying the same again is
    no error.
    """
    if item and values is not None:
        raise typer.BadParameter("it stands in place of --values", param_hint=ITEM)
    given = {} if values is None else json_argument(values, "--values")
    if item:
        given = typed_items(item)
    if not isinstance(given, dict):
        raise typer.BadParameter("it is no JSON object", param_hint="--values")
    reviewer, decided = run(_decide(request, action, given, note, digest, by))
    if as_json:
        print_json(render.request_json(decided))
        return
    print(f"{plain(reviewer)} decided {plain(action)}: {plain(decided.title)}")
    if decided.state is RequestState.OPEN:
        print(f"Request {decided.id} is open still: it needs more votes.")
    else:
        print(f"Request {decided.id} is {decided.state.value}; thread {decided.thread_id} goes on.")


async def _decide(
    request_id: str,
    action: str,
    values: dict[str, Any],
    note: str | None,
    digest: str | None,
    by: str | None,
) -> tuple[str, Request]:
    async with open_desk() as desk:
        reviewer = principal(desk.settings, by)
        decided = await desk.decide(
            request_id, action, by=reviewer, values=values, note=note, digest=digest
        )
        return reviewer, decided
