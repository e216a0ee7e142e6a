"""`signoff show`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from signoff import render
from signoff.cli.options import AsJson
from signoff.cli.output import console, lines_of, moment, plain, print_facts, print_json, state
from signoff.cli.session import open_desk, run
from signoff.domain.request import Delivery, Request, RequestState


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
    if request.remark:
        out.print(f"\n{plain(request.remark)}", style="yellow")
    shown = request.payload
    if request.kind == "ask":
        shown = request.payload.get("show")
    if shown is not None:
        _section(out, "Shown")
        out.print("\n".join(lines_of(shown, "  ")), soft_wrap=True)
    _print_votes(out, request)
    _print_talk(out, request)
    _section(out, "Actions")
    for action in request.actions:
        _print_action(out, action)
    if request.state is RequestState.OPEN:
        _section(out, "To decide")
        for action in request.actions:
            out.print(f"  {_command(request, action)}", soft_wrap=True)
    elif request.delivery is Delivery.FAILED:
        _section(out, "To go on")
        out.print(f"  signoff retry {request.id}          # with the same answer")
        out.print(f"  signoff retry {request.id} --reask  # with another one")


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


def _print_votes(out: Console, request: Request) -> None:
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
        more = "1 more vote" if request.missing == 1 else f"{request.missing} more votes"
        out.print(f"  {more} needed, at the least")


def _print_talk(out: Console, request: Request) -> None:
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


def _print_action(out: Console, action: dict[str, Any]) -> None:
    notes = {"required": "with a note", "none": "without a note"}
    asked = notes.get(action["note"], "a note if you like")
    out.print(f"  {plain(action['name'])}: {plain(action['label'])}, {asked}", soft_wrap=True)
    schema = action["schema"]
    if not schema:
        return
    if schema == {"type": "object"}:
        out.print("    any values")
        return
    fields = schema.get("properties")
    if not isinstance(fields, dict):
        out.print("\n".join(lines_of({"values": schema}, "    ")), soft_wrap=True)
        return
    required = schema.get("required", ())
    for name, field in fields.items():
        must = "" if name in required else ", optional"
        out.print(f"    {plain(name)}: {plain(_type(field))}{must}", soft_wrap=True)


def _type(field: Any) -> str:
    """The type of a form's field in a few words."""
    if not isinstance(field, dict):
        return "anything"
    if isinstance(options := field.get("enum"), list):
        words = "one of " + ", ".join(map(str, options))
    elif isinstance(kinds := field.get("type"), str | list):
        words = kinds if isinstance(kinds, str) else " or ".join(map(str, kinds))
    else:
        words = "a value"
    told = field.get("description") or field.get("title")
    return f"{words} ({told})" if told else words


def _command(request: Request, action: dict[str, Any]) -> str:
    """A command line that decides, to be copied and filled in."""
    parts = ["signoff", "decide", request.id, plain(action["name"])]
    command = " ".join(map(shlex.quote, parts))
    schema = action["schema"] or {}
    if schema.get("properties"):
        fields = ", ".join(f'"{plain(name)}": ...' for name in schema["properties"])
        command += f" --values '{{{fields}}}'"
    if action["note"] == "required":
        command += " --note '...'"
    return f"{command} --digest {request.digest}"
