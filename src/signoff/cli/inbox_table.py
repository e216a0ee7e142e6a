"""Requests as a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from rich.table import Table
from rich.text import Text

from signoff.cli.output import Column, due, plain, state, table
from signoff.domain.request import Delivery, Request, RequestState
from signoff.speech import ago

COLUMNS = (
    Column("REQUEST"),
    Column("TITLE", wraps=True),
    Column("STATE"),
    Column("GRAPH", extra=True),
    Column("THREAD", extra=True),
    Column("OPENED"),
    Column("DUE", extra=True),
    Column("CLAIMED BY", extra=True),
)


def inbox_table(
    requests: Iterable[Request], now: datetime, *, fresh: Collection[str] = ()
) -> Table:
    """Requests, a row each; the titles of those in `fresh` stand out."""
    return table(
        COLUMNS,
        (
            (
                each.id,
                Text(plain(each.title), "bold" if each.id in fresh else ""),
                _state(each),
                each.graph,
                each.thread_id,
                ago(each.opened_at, now),
                _due(each, now),
                each.claimed_by or "",
            )
            for each in requests
        ),
    )


def _state(request: Request) -> Text:
    failed = request.delivery is Delivery.FAILED
    return Text("not delivered", "red") if failed else state(request.state.value)


def _due(request: Request, now: datetime) -> Text:
    if request.deadline is None or request.state is not RequestState.OPEN:
        return Text()
    return due(request.deadline, now)
