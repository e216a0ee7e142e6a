"""Policies as people read them, and as programs do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from signoff.cli.output import Column, console, moment, plain, print_table
from signoff.domain.timetable import Moment
from signoff.policies.book import Explained

HAPPENS = {
    "remind": "people are reminded",
    "escalate": "it is escalated",
    "expire": "the deadline",
}
"""The kinds of moments in words."""


def fields_json(fields: Iterable[Explained]) -> list[dict[str, Any]]:
    """Every field of a policy as JSON."""
    return [
        {"field": e.field, "value": e.value, "source": e.source, "remark": e.remark} for e in fields
    ]


def print_fields(fields: Sequence[Explained]) -> None:
    """Print every field of a policy with its value and its source."""
    print_table(
        [Column("FIELD"), Column("VALUE", wraps=True), Column("SOURCE", wraps=True)],
        [(each.field, value(each.value), each.source) for each in fields],
    )
    for each in fields:
        if each.remark:
            console().print(plain(f"\n{each.field}: {each.remark}"), soft_wrap=True)


def value(given: Any) -> str:
    """A field's value in a few words."""
    match given:
        case None | []:
            return "-"
        case bool():
            return "yes" if given else "no"
        case str() | int():
            return str(given)
        case list() if all(isinstance(each, str) for each in given):
            return ", ".join(given)
        case list():
            return "; ".join(map(value, given))
        case {"action": str(action), "values": values, "note": note}:
            said = json.dumps(values, ensure_ascii=False) if values else ""
            return " ".join(filter(None, (action, said, note and f"({note})")))
        case dict():
            return ", ".join(f"{name} {value(each)}" for name, each in given.items())
    return json.dumps(given, ensure_ascii=False)


def print_moments(timetable: Sequence[Moment]) -> None:
    """Print what is planned, and what of it has happened."""
    for each in timetable:
        done = "" if each.passed_at is None else f", happened {moment(each.passed_at)}"
        console().print(f"  {moment(each.at)}  {HAPPENS[each.kind.value]}{done}", soft_wrap=True)
