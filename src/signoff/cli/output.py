"""Printing for people, and for programs.

What graphs and reviewers wrote is shown as text and nothing else: no markup, and no character that
would steer the terminal or turn around what stands there.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from signoff import speech

WIDE = 120
"""Columns that a terminal has to have for all columns of a table."""

WIDTH = 160
"""Columns where the output is no terminal that would say how many it has."""

SOON = timedelta(hours=1)
"""Before a deadline, that it stands out."""

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for tab and newline, and those that change the direction of text."""

STYLES = {
    "open": "yellow",
    "interrupted": "yellow",
    "busy": "cyan",
    "decided": "green",
    "delivered": "green",
    "failed": "red",
    "dead": "red",
    "waiting": "yellow",
    "sending": "cyan",
    "sent": "green",
    "dropped": "dim",
    "gathered": "dim",
    "error": "red",
    "withdrawn": "dim",
    "superseded": "dim",
    "idle": "dim",
}
"""How states are coloured, in a terminal that has colours."""


def print_json(value: Any) -> None:
    """Print a value as JSON, readable for people as well."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    print(re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text))


def console() -> Console:
    """Where to print for people."""
    width = shutil.get_terminal_size(fallback=(WIDTH, 24)).columns
    return Console(highlight=False, markup=False, emoji=False, width=width)


def plain(text: object) -> str:
    """Somebody's text, with all that a terminal would act on made visible."""
    return UNSEEN.sub("\ufffd", str(text))


def state(text: str) -> Text:
    """A state in its colour."""
    return Text(text, STYLES.get(text, ""))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: one that `wraps` gives way to the others, one that is `extra` goes."""

    name: str
    wraps: bool = False
    extra: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print rows under headings; where there is little room, without the extra columns."""
    console().print(table(columns, rows))


def table(columns: Sequence[Column], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Rows under headings; where there is little room, without the extra columns."""
    wide = console().width >= WIDE
    shown = [number for number, each in enumerate(columns) if not each.extra or wide]
    made = Table(box=None, pad_edge=False, header_style="bold")
    for number in shown:
        made.add_column(columns[number].name, no_wrap=not columns[number].wraps, overflow="fold")
    for row in rows:
        cells = (row[number] for number in shown)
        made.add_row(*(each if isinstance(each, Text) else Text(plain(each)) for each in cells))
    return made


def print_facts(facts: Iterable[tuple[str, str | Text]]) -> None:
    """Print names and what they stand for, one below the other."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for name, fact in facts:
        made.add_row(name, fact if isinstance(fact, Text) else Text(plain(fact)))
    console().print(made)


def due(deadline: datetime, now: datetime) -> Text:
    """How long there is until a deadline, or since it has passed."""
    said, left = speech.due(deadline, now), deadline - now
    if left <= timedelta():
        return Text(said, "red")
    return Text(said, "yellow" if left < SOON else "")


def moment(at: datetime) -> str:
    """A moment in the time zone of whoever reads."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def lines_of(value: Any, indent: str = "") -> list[str]:
    """JSON as people read it: a line per field, and long texts as they were written."""
    return speech.lines_of(value, indent, shown=plain)
