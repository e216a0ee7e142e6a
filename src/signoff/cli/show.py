"""`signoff show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from signoff import render
from signoff.cli.forms import action_lines, command
from signoff.cli.options import AsJson
from signoff.cli.output import console, lines_of, moment, plain, print_facts, print_json, state
from signoff.cli.session import open_desk, run
from signoff.domain.request import Delivery, Request, RequestState
from signoff.pauses.any_kind import sections
from signoff.speech import number


def show(
    request: Annotated[str, typer.Argument(metavar="ID", help="The id of a request.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a request, and how to decide it.

    Prints what it is about, its votes, its actions with the forms they ask for, and whether its
    outcome has reached the graph.
    """
    found = run(_show(request))
    if as_json:
        print_json(render.request_json(found))
    else:
        _print(found)


async def _show(request_id: str) -> Request:
    async with open_desk() as desk:
        return await desk.request(request_id)


def _print(request: Request) -> None:
    out = console()
    out.print(plain(request.title), style="bold")
    out.print()
    print_facts(_facts(request))
    print_content(out, request)
    print_votes(out, request)
    print_talk(out, request)
    _section(out, "Actions")
    for action in request.actions:
        out.print("\n".join(action_lines(action)), soft_wrap=True)
    if request.state is RequestState.OPEN:
        print_ways(out, request)
    elif request.delivery is Delivery.FAILED:
        _section(out, "To go on")
        out.print(f"  signoff retry {request.id}          # with the same answer")
        out.print(f"  signoff retry {request.id} --reask  # with another one")


def print_content(out: Console, request: Request) -> None:
    """Print what the graph shows, and what is to be said on it."""
    if request.remark:
        out.print(f"\n{plain(request.remark)}", style="yellow")
    for n, section in enumerate(sections(request)):
        if section.title or not n:
            _section(out, plain(section.title or "Shown"))
        out.print("\n".join(lines_of(section.content, "  ")), soft_wrap=True)


def print_ways(out: Console, request: Request) -> None:
    """Print the command lines that decide a request, each bound to what is shown."""
    _section(out, "To decide")
    for action in request.actions:
        out.print(f"  {command(request, action)}", soft_wrap=True)


def _facts(request: Request) -> Iterator[tuple[str, str | Text]]:
    yield "request", request.id
    yield "state", state(request.state.value)
    if request.delivery is not Delivery.NONE:
        yield "delivery", state(request.delivery.value)
    if request.delivery_error:
        yield "error", Text(plain(request.delivery_error), "red")
    yield "graph", f"{request.graph}, node {request.node}"
    yield "thread", request.thread_id
    yield "kind", request.kind if request.topic is None else f"{request.kind}, {request.topic}"
    yield "opened", moment(request.opened_at)
    if request.deadline is not None:
        yield "deadline", moment(request.deadline)
    if request.closed_at is not None:
        yield "closed", moment(request.closed_at)
    if request.claimed_by is not None:
        yield "claimed by", request.claimed_by
    if request.revises is not None:
        yield "revises", request.revises
    if policy := request.policy.to_json():
        yield "policy", "\n".join(lines_of(policy))
    yield "digest", request.digest


def print_votes(out: Console, request: Request) -> None:
    """Print who has voted what, and what is missing."""
    if not request.votes and request.policy.quorum == 1:
        return
    _section(out, "Votes")
    for vote in request.votes:
        right = f" for {plain(vote.on_behalf_of)}" if vote.on_behalf_of else ""
        out.print(f"  {plain(vote.by)}{right}: {plain(vote.action)}, {moment(vote.at)}")
        said = {"values": vote.values, "note": vote.note}
        for name, each in said.items():
            if each:
                out.print("\n".join(lines_of({name: each}, "    ")), soft_wrap=True)
    if request.missing:
        more = number(request.missing, "more vote")
        out.print(f"  {more} needed, at the least")


def print_talk(out: Console, request: Request) -> None:
    """Print to whom it was handed on, and what was said on it."""
    if request.delegations:
        _section(out, "Handed on")
    for delegation in request.delegations:
        by, to = plain(delegation.by), plain(delegation.to)
        out.print(f"  {by} to {to}, {moment(delegation.at)}")
    if request.comments:
        _section(out, "Comments")
    for comment in request.comments:
        out.print(f"  {plain(comment.by)}, {moment(comment.at)}")
        out.print("\n".join(lines_of(comment.text, "    ")), soft_wrap=True)


def _section(out: Console, title: str) -> None:
    out.print(f"\n{title}", style="bold")
