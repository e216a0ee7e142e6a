"""`signoff policy reapply`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.cli.options import AsJson, By
from signoff.cli.output import plain, print_json
from signoff.cli.policy.book import book_of
from signoff.cli.session import open_desk, principal, run
from signoff.service.reapply import Reapplied, reapply_all
from signoff.service.reapply import reapply as reapply_one
from signoff.speech import number


def reapply(
    requests: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="The ids of open requests.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All open requests.")] = False,
    graph: Annotated[str | None, typer.Option(help="With --all: those of this graph.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Have open requests take the policies that hold now.

    What the call to ask() said stays. Votes stand, and close a request if they suffice now;
    deadlines count from when it was opened.
    """
    if every == bool(requests):
        raise typer.BadParameter("name requests, or say --all", param_hint="ID")
    if graph is not None and not every:
        raise typer.BadParameter("it goes with --all", param_hint="--graph")
    done = run(_reapply(requests or [], graph, by))
    if as_json:
        print_json({"items": [_json(each) for each in done]})
        return
    for each in done:
        if each.changed:
            print(plain(f"{each.request.id} {_told(each)}: {each.request.title}"))
    changed = sum(each.changed for each in done)
    have = "has" if changed == 1 else "have"
    print(f"{changed} of {number(len(done), 'request')} {have} another policy now.")


async def _reapply(requests: list[str], graph: str | None, by: str | None) -> list[Reapplied]:
    async with open_desk() as desk:
        book, who = await book_of(desk), principal(desk.settings, by)
        if requests:
            return [await reapply_one(desk.office, book, each, by=who) for each in requests]
        return [each async for each in reapply_all(desk.office, book, graph=graph, by=who)]


def _json(each: Reapplied) -> dict[str, object]:
    deadline = each.request.deadline
    return {
        "request_id": each.request.id,
        "changed": each.changed,
        "state": each.request.state.value,
        "deadline": None if deadline is None else deadline.isoformat(),
    }


def _told(each: Reapplied) -> str:
    return "changed" if each.request.outcome is None else "changed, and is decided by its votes"
