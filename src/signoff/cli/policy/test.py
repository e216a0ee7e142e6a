"""`signoff policy test`."""

# ruff: noqa: PT028 (a command of that name, and no test)

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from signoff.cli.options import AsJson
from signoff.cli.output import print_json
from signoff.cli.policy.book import book_anywhere
from signoff.cli.policy.printing import fields_json, print_fields, print_moments
from signoff.cli.session import run
from signoff.clock import utcnow
from signoff.domain.policy import Policy
from signoff.pauses.fallbacks import kind_names


def test(
    *,
    graph: Annotated[str, typer.Option(help="The graph that asks.")],
    node: Annotated[str, typer.Option(help="The node that asks.")],
    kind: Annotated[str | None, typer.Option(help="How it pauses, such as tool_approval.")] = None,
    topic: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Another file than signoff.toml of this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which policy a request would get.

    Each field with where it comes from, and what would be planned if it were opened now.

    What a call to ask() says is not known here; it would win.
    """
    if kind is not None and kind not in kind_names():
        raise typer.BadParameter(f"it is one of {', '.join(kind_names())}", param_hint="--kind")
    place: dict[str, Any] = {"graph": graph, "node": node, "kind": kind, "topic": topic}
    book = run(book_anywhere(file and file.absolute()))
    fields = book.explain(Policy(), **place, actions=None)
    policy = book.policy_for(Policy(), **place, actions=None)
    timetable = book.timetable(policy, utcnow())
    if as_json:
        moments = [moment.to_json() for moment in timetable]
        print_json({**place, "fields": fields_json(fields), "timetable": moments})
        return
    print_fields(fields)
    if timetable:
        print("\nOpened now:")
        print_moments(timetable)
