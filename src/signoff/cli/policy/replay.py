"""`signoff policy replay`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from signoff.cli.options import AsJson
from signoff.cli.output import console, plain, print_json
from signoff.cli.policy.book import book_of
from signoff.cli.session import open_desk, run
from signoff.domain import duration
from signoff.domain.errors import InvalidPolicy
from signoff.domain.replay import Replay, asked, timed_out
from signoff.domain.request import Request
from signoff.service.replay import replay_requests
from signoff.speech import number


def replay(
    file: Annotated[Path, typer.Argument(metavar="NEW.toml", help="A file with other policies.")],
    *,
    since: Annotated[
        str, typer.Option(help="Requests that were opened so long ago at most.")
    ] = "30d",
    as_json: AsJson = False,
) -> None:
    """Say what other policies would have made of past requests. Nothing changes.

    What people did is done again in its order and at its times: who would have been asked, which
    requests would have timed out, and how they would have ended.
    """
    try:
        period = duration.parse(since)
    except InvalidPolicy as error:
        raise typer.BadParameter(error.message, param_hint="--since") from error
    summary, items = Summary(), []

    async def go_through() -> None:
        async with open_desk() as desk:
            book = await book_of(desk, file.absolute())
            start = desk.office.now() - period
            async for each in replay_requests(
                desk.office, book, since=start, on_progress=_progress
            ):
                summary.count(each)
                if not each.differs:
                    continue
                if as_json:
                    items.append(_json(each))
                else:
                    console().print(plain(f"{_line(each)}"), soft_wrap=True)

    run(go_through())
    if as_json:
        print_json({"summary": asdict(summary), "items": items})
    else:
        print(summary)


@dataclass(slots=True)
class Summary:
    """How many requests there were, and of how many which part would have differed."""

    requests: int = 0
    differing: int = 0
    asked: int = 0
    outcome: int = 0
    timed_out_before: int = 0
    timed_out_after: int = 0
    refused: int = 0

    def count(self, each: Replay) -> None:
        """Count one more request."""
        self.requests += 1
        self.differing += each.differs
        self.asked += each.asked_differs
        self.outcome += each.outcome_differs
        self.timed_out_before += timed_out(each.before)
        self.timed_out_after += timed_out(each.after)
        self.refused += bool(each.refused)

    def __str__(self) -> str:
        return (
            f"{number(self.requests, 'request')}, {self.differing:,} would have differed: "
            f"others asked {self.asked:,}, another end {self.outcome:,}, "
            f"votes refused {self.refused:,}; timed out "
            f"{self.timed_out_after:,} instead of {self.timed_out_before:,}."
        )


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        print(f"\r{done:,} of {number(total, 'request')}", end=end, file=sys.stderr, flush=True)


def _line(each: Replay) -> str:
    return f"{each.before.id}  {each.before.title}\n    {'; '.join(_differences(each))}"


def _differences(each: Replay) -> Iterator[str]:
    before, after = each.before, each.after
    if each.asked_differs:
        yield f"asked {_people(after)} instead of {_people(before)}"
    if each.refused:
        yield f"refused the votes of {', '.join(each.refused)}"
    if each.outcome_differs:
        yield f"{_end(after)} instead of {_end(before)}"
    elif each.timing_differs:
        yield "overdue" if timed_out(after) else "not overdue"


def _people(request: Request) -> str:
    return ", ".join(asked(request)) or "anybody"


def _end(request: Request) -> str:
    if request.outcome is None:
        return "overdue" if request.overdue else request.state.value
    who = "timed out" if request.outcome.timed_out else f"by {request.outcome.by}"
    return f"{request.outcome.action} ({who})"


def _json(each: Replay) -> dict[str, Any]:
    return {
        "request_id": each.before.id,
        "title": each.before.title,
        "graph": each.before.graph,
        "node": each.before.node,
        "refused": list(each.refused),
        "before": _side(each.before),
        "after": _side(each.after),
    }


def _side(request: Request) -> dict[str, Any]:
    return {
        "asked": list(asked(request)),
        "state": request.state.value,
        "timed_out": timed_out(request),
        "deadline": None if request.deadline is None else request.deadline.isoformat(),
        "closed_at": None if request.closed_at is None else request.closed_at.isoformat(),
        "outcome": None if request.outcome is None else request.outcome.to_json(),
    }
