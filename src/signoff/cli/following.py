"""Following a thread in a terminal, or as lines of JSON, from its run to its end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import aclosing

import orjson
from rich.text import Text

from signoff.cli.output import console, lines_of, plain
from signoff.cli.show import print_content, print_ways
from signoff.cli.threads import describe
from signoff.db.stream_events import StreamEvent
from signoff.domain.request import Request, RequestState
from signoff.domain.run import Run
from signoff.domain.thread import Thread, ThreadStatus
from signoff.front_desk import FrontDesk
from signoff.service.read import MAX_PAGE
from signoff.service.stream import follow_thread

MODES = ("custom", "messages-tuple", "updates")
"""What a followed run streams."""

RESTS = (ThreadStatus.IDLE, ThreadStatus.ERROR)
"""How a thread stands that does not go on by itself, nor by a decision."""


async def follow(desk: FrontDesk, thread_id: str, *, after: int, printer: Printer) -> Thread:
    """Print what the thread's runs stream behind the event `after`; the thread, once it is done.

    A pause is printed with what to type, and waited for.
    """
    place, rests = after, False
    while True:
        pages = follow_thread(desk.office, thread_id, after=place, until_rest=rests)
        async with aclosing(pages):
            async for page in pages:
                for event in page:
                    place = event.id
                    printer.event(event)
                if rests or printer.wants_requests(page):
                    printer.requests(await _requests(desk, thread_id))
                sys.stdout.flush()  # also where it is no terminal
                thread = await desk.thread(thread_id)
                if not rests and thread.status in RESTS:
                    break  # what it has streamed before it came to rest may not be read yet
            else:
                return thread
        rests = True


async def _requests(desk: FrontDesk, thread_id: str) -> list[Request]:
    return (await desk.requests(thread_id=thread_id, sort="opened_at", limit=MAX_PAGE)).items


class Printer:
    """Prints events as lines of JSON, each as it came."""

    def begin(self, started: Run) -> None:
        """The run that is followed."""

    def leave(self, thread_id: str) -> None:
        """Nobody looks any more, and the thread goes on."""

    def end(self, thread: Thread) -> None:
        """The thread, once it is done."""

    def event(self, event: StreamEvent) -> None:
        """One event."""
        start = f'{{"id": {event.id}, "run_id": "{event.run_id}", "event": '
        print(f'{start}{orjson.dumps(event.event).decode()}, "data": {event.text}}}')

    def wants_requests(self, page: list[StreamEvent]) -> bool:
        """Whether the requests of the thread are to be shown after these events."""
        return False

    def requests(self, requests: list[Request]) -> None:
        """The requests of the thread, as they stand."""


class ForPeople(Printer):
    """Prints what happens as people read it: who says what, and what to type at a pause."""

    def __init__(self) -> None:
        self._out = console()
        self._asked: dict[str, RequestState] = {}
        self._talks = ""
        self._looked = False

    def begin(self, started: Run) -> None:
        """The run that is followed."""
        text = f"Run {started.id} of {plain(started.graph)}, thread {started.thread_id}"
        self._out.print(text, style="dim", soft_wrap=True)

    def leave(self, thread_id: str) -> None:
        """Nobody looks any more, and the thread goes on."""
        self._end_of_talk()
        text = f"Left. It goes on: `signoff threads {thread_id}` shows it."
        self._out.print(text, style="dim", soft_wrap=True)

    def end(self, thread: Thread) -> None:
        """The thread, once it is done."""
        self._end_of_talk()
        self._out.print()
        describe(thread, [])

    def event(self, event: StreamEvent) -> None:
        """One event: the name of the node, and what it said or returned below."""
        name, *namespace = event.event.split("|")
        way = [part.partition(":")[0] for part in namespace]
        if name == "messages":
            self._token(way, *event.data)
        elif name == "custom":
            self._say(" / ".join(way), lines_of(event.data, "  "), style="cyan")
        elif name == "updates":
            for node, returned in event.data.items():
                if node != "__interrupt__":
                    path = " / ".join([*way, plain(node)])
                    self._say(path, list(_returned(returned)), style="bold")
        elif name == "error":
            error = event.data
            self._say("", [f"{plain(error['error'])}: {plain(error['message'])}"], style="red")
        elif name == "metadata" and event.data.get("attempt", 1) > 1:
            self._say("", ["A worker was lost; another one goes on."], style="yellow")

    def wants_requests(self, page: list[StreamEvent]) -> bool:
        """A pause was told, or something that was asked may be answered, and at the beginning."""
        return not self._looked or any(
            event.event == "metadata" or '"__interrupt__"' in event.text for event in page
        )

    def requests(self, requests: list[Request]) -> None:
        """Show what is asked since the last time, and how what was asked came out."""
        self._looked = True
        for request in requests:
            before, now = self._asked.get(request.id), request.state
            if before is now or (before is None and now is not RequestState.OPEN):
                continue
            self._asked[request.id] = now
            if now is RequestState.OPEN:
                self._ask(request)
            elif (outcome := request.outcome) is not None:
                self._say("", [f"{plain(outcome.by)}: {plain(outcome.action)}"], style="green")
            else:
                self._say("", [f"{plain(request.title)}: {now.value}"], style="yellow")

    def _ask(self, request: Request) -> None:
        self._end_of_talk()
        self._out.print()
        self._out.print(plain(request.title), style="bold yellow")
        print_content(self._out, request)
        print_ways(self._out, request)
        self._out.print("\nIt waits for that. Ctrl-C leaves it waiting.\n", style="dim")

    def _token(self, way: list[str], message: dict[str, object], about: dict[str, object]) -> None:
        """A piece of what a model says, right behind the one before it."""
        text = message.get("content")
        if message.get("type") != "AIMessageChunk" or not isinstance(text, str) or not text:
            return
        node = " / ".join([*way, plain(about.get("langgraph_node", ""))])
        if self._talks != node:
            self._say(node, [], style="bold")
            self._talks = node
        self._out.file.write(plain(text))

    def _end_of_talk(self) -> None:
        if self._talks:
            self._talks = ""
            self._out.print()

    def _say(self, who: str, lines: list[str], *, style: str) -> None:
        self._end_of_talk()
        if who:
            self._out.print(Text(who, style))
        if lines:
            self._out.print(Text("\n".join(lines), "" if who else style), soft_wrap=True)


def _returned(returned: object) -> Iterator[str]:
    """What a node has returned; one may have returned several times."""
    several = returned if isinstance(returned, list) else [returned]
    for each in several:
        if each is not None:
            yield from lines_of(each, "  ")
