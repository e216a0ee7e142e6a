"""Typed dicts of the standard library, read by Pydantic on every Python."""

from __future__ import annotations

import operator
from datetime import date
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from pydantic import TypeAdapter, ValidationError

from signoff.graph.typed_dicts import readable


class Line(TypedDict):
    """A line of a log."""

    event: str
    on: NotRequired[date]


class Partial(TypedDict, total=False):
    """Anything may be missing."""

    lines: list[Line]
    first: Line | None


class Tree(TypedDict):
    """It contains itself."""

    name: str
    children: list[Tree]


def read(hint: Any, value: str) -> Any:
    return TypeAdapter(readable(hint)).validate_json(value)


def test_values_inside_become_what_the_type_says_and_other_keys_stay() -> None:
    hint = Annotated[list[Line], operator.add]
    assert read(hint, '[{"event": "read", "on": "2026-03-01", "more": 1}, {"event": "sent"}]') == [
        {"event": "read", "on": date(2026, 3, 1), "more": 1},
        {"event": "sent"},
    ]


@pytest.mark.parametrize("value", ["[{}]", '[{"event": 1}]', '[{"event": "read", "on": "soon"}]'])
def test_what_does_not_fit_inside_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        read(list[Line], value)


def test_dicts_in_dicts_and_in_unions_are_read() -> None:
    given = '{"lines": [{"event": "read"}], "first": {"event": "read", "on": "2026-03-01"}}'
    assert read(Partial, given)["first"] == {"event": "read", "on": date(2026, 3, 1)}
    assert read(Partial, "{}") == {}
    assert read(Partial, '{"first": null}') == {"first": None}


def test_one_that_contains_itself_is_read_as_far_as_it_does_not() -> None:
    given = '{"name": "root", "children": [{"name": 1}]}'
    assert read(Tree, given) == {"name": "root", "children": [{"name": 1}]}
    with pytest.raises(ValidationError):
        read(Tree, '{"name": 1, "children": []}')


@pytest.mark.parametrize("hint", [int, str | None, list[int], Literal["a", 1], dict[str, Any], Any])
def test_other_types_stay_as_they_are(hint: Any) -> None:
    assert readable(hint) is hint
