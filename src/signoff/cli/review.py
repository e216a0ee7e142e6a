"""`signoff review`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer

from signoff.cli.asking import ask_note, ask_values
from signoff.cli.errors import told
from signoff.cli.options import By
from signoff.cli.output import console, due, plain
from signoff.cli.session import principal, seated
from signoff.cli.show import print_content, print_talk, print_votes
from signoff.cli.sorting import Sort
from signoff.clock import utcnow
from signoff.domain.errors import InvalidAnswer, RequestClosed, SignoffError, StaleDigest
from signoff.domain.policy import Priority
from signoff.domain.request import Request, RequestState
from signoff.front_desk import FrontDesk
from signoff.speech import ago

T = TypeVar("T")

KEYS = {
    "n": "next",
    "p": "previous",
    "c": "claim it, or give up your claim",
    "t": "say something on it",
    "q": "leave",
    "?": "help",
}
"""The keys that are no action's."""


def review(
    *,
    graph: Annotated[str | None, typer.Option(help="Of this graph.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind of pause.")] = None,
    topic: Annotated[str | None, typer.Option(help="About this topic.")] = None,
    assignee: Annotated[
        str | None, typer.Option(metavar="NAME", help="For this person; `me` is whoever acts.")
    ] = None,
    priority: Annotated[Priority | None, typer.Option(help="Of this priority.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Past their deadline.")] = False,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="With this in the title or the thread's id.")
    ] = None,
    sort: Sort = "opened_at",
    by: By = None,
) -> None:
    """Step through the open requests, and decide each with a key.

    The one that waits longest comes first. What an action asks for is typed, or written in your
    editor (`$EDITOR`) where it is nested; nothing is sent before Enter.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise typer.BadParameter("it needs a terminal; `signoff decide` does not")
    filters = {
        "graph": graph,
        "kind": kind,
        "topic": topic,
        "assignee": assignee,
        "priority": priority,
        "overdue": overdue or None,
        "q": search,
        "sort": sort,
    }
    with seated() as (runner, desk):
        by = principal(desk.settings, by)
        filters["assignee"] = by if assignee == "me" else assignee
        Sitting(runner, desk, by).go_through(filters)


class Sitting:
    """A reviewer at a terminal, going through requests."""

    def __init__(self, runner: asyncio.Runner, desk: FrontDesk, by: str) -> None:
        self._runner = runner
        self._desk = desk
        self._by = by
        self._out = console()
        self._decided = 0

    def go_through(self, filters: Mapping[str, Any]) -> None:
        """Show one request after the other, until there is none left or the reviewer leaves."""
        seen: list[str] = []
        coming = self._coming(filters)
        place = 0
        while True:
            if place == len(seen):
                following = next(coming, None)
                if following is None:
                    break
                seen.append(following)
            step = self._show(seen[place], place + 1)
            if step is None:
                break
            place = max(0, place + step)
        page = self._do(self._desk.requests(**filters, state=[RequestState.OPEN], limit=1))
        left = page.total if page.total_exact else f"more than {page.total}"
        self._say(f"{self._decided} decided, {left} open.", style="bold")

    def _coming(self, filters: Mapping[str, Any]) -> Iterator[str]:
        """The ids of the open requests, in order; a page is looked up as it is needed."""
        cursor = None
        while True:
            page = self._do(
                self._desk.requests(**filters, state=[RequestState.OPEN], cursor=cursor)
            )
            yield from (request.id for request in page.items)
            if (cursor := page.next_cursor) is None:
                return

    def _show(self, request_id: str, number: int) -> int | None:
        """Show a request until it is done with: how many places to go on; None to leave."""
        while True:
            request = self._do(self._desk.request(request_id))
            self._print(request, number)
            step = self._act(request)
            if step is None or step:
                return step

    def _act(self, request: Request) -> int | None:
        """Do what a key says: how many places to go on, 0 to show it again; None to leave."""
        actions = keys_of(request.actions) if request.state is RequestState.OPEN else {}
        self._say(
            "  ".join([*(f"[{key}] {plain(a['label'])}" for key, a in actions.items()), "[?] help"])
        )
        while True:
            try:
                key = typer.getchar()
            except (KeyboardInterrupt, EOFError):
                return None
            if key == "q":
                return None
            if key in ("n", "j", "\r"):
                return 1
            if key in ("p", "k"):
                return -1
            with self._told():
                if key == "?":
                    self._help(actions)
                    continue
                if key == "c":
                    claimed = request.claimed_by == self._by
                    change = self._desk.release if claimed else self._desk.claim
                    self._do(change(request.id, by=self._by))
                    return 0
                if key == "t":
                    text = typer.prompt("Your comment")
                    self._do(self._desk.comment(request.id, text, by=self._by))
                    return 0
                if key in actions:
                    return self._decide(request, actions[key])

    def _decide(self, request: Request, action: Mapping[str, Any]) -> int:
        """Decide; how many places to go on."""
        values: dict[str, Any] = {}
        while True:
            values = ask_values(action, values)
            note = ask_note(action)
            try:
                after = self._do(
                    self._desk.decide(
                        request.id,
                        action["name"],
                        by=self._by,
                        values=values,
                        note=note,
                        digest=request.digest,
                    )
                )
            except InvalidAnswer as error:
                self._say(told(error), style="red")
                continue
            except StaleDigest:
                self._say("It shows something else by now: look again.", style="yellow")
                return 0
            except RequestClosed:
                self._say("Somebody else was first; nothing was sent.", style="yellow")
                return 1
            self._decided += 1
            open_ = after.state is RequestState.OPEN
            rest = "it needs more votes" if open_ else f"thread {after.thread_id} goes on"
            self._say(f"{plain(action['label'])}: {rest}.", style="green")
            return 1

    def _print(self, request: Request, number: int) -> None:
        out, now = self._out, utcnow()
        out.print()
        out.rule(f"{number}", style="dim")
        out.print(plain(request.title), style="bold yellow")
        facts = [f"{request.graph}, {request.node}", request.thread_id]
        facts.append(f"opened {ago(request.opened_at, now)}")
        out.print("  ".join(map(plain, facts)), style="dim")
        if request.deadline is not None:
            out.print(due(request.deadline, now))
        if request.claimed_by is not None:
            whose = "you" if request.claimed_by == self._by else plain(request.claimed_by)
            out.print(f"{whose} claimed it", style="cyan")
        if request.state is not RequestState.OPEN:
            out.print(f"It is {request.state.value}.", style="yellow")
        print_content(out, request)
        print_votes(out, request)
        print_talk(out, request)
        out.print()

    def _help(self, actions: Mapping[str, Mapping[str, Any]]) -> None:
        for key, action in actions.items():
            self._say(f"  {key}  {plain(action['label'])}")
        for key, does in KEYS.items():
            self._say(f"  {key}  {does}")

    def _say(self, text: str, *, style: str = "") -> None:
        self._out.print(text, style=style, soft_wrap=True)

    def _do(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say why something was refused, and that nothing is sent where somebody steps back."""
        try:
            yield
        except SignoffError as error:
            self._say(told(error), style="red")
        except (typer.Abort, KeyboardInterrupt):
            self._say("\nNothing was sent.", style="dim")


def keys_of(actions: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """A key for each action: a letter of its name that is free, or a digit."""
    keys: dict[str, Mapping[str, Any]] = {}
    for action in actions:
        letters = [each for each in action["name"].lower() if each.isalpha() and each.isascii()]
        for key in [*letters, *"123456789"]:
            if key not in keys and key not in KEYS and key not in "jk":
                keys[key] = action
                break
    return keys
