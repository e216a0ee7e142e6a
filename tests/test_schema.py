"""Answers against their JSON Schema."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from signoff import schema
from signoff.domain.errors import FieldError, InvalidInput, TooLarge


class Item(BaseModel):
    sku: str = Field(min_length=1)
    quantity: int = Field(ge=1)


class Terms(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: int = Field(ge=1, le=90)
    due: date | None = None
    at: datetime | None = None
    kind: Literal["net", "gross"] = "net"
    items: list[Item] = []


TERMS = Terms.model_json_schema()


def problems(value: object, of: dict[str, Any] = TERMS) -> dict[str, str]:
    return {error.pointer: error.message for error in schema.validate(of, value)}


def test_a_fitting_value_has_no_errors():
    assert schema.validate(TERMS, {"days": 30, "due": "2026-01-31", "items": []}) == []


def test_every_error_is_listed_at_its_place():
    assert problems(
        {
            "days": "x",
            "due": "2026-13-01",
            "at": "2026-01-01T10:00",
            "kind": "other",
            "items": [{"sku": "", "quantity": 0}, {}],
            "a/b": 1,
        }
    ) == {
        "/days": "must be an integer",
        "/due": "must be a date such as 2026-01-31",
        "/at": "must be a date and time with its offset, such as 2026-01-31T09:30:00Z",
        "/kind": 'must be "net" or "gross"',
        "/items/0/sku": "must not be empty",
        "/items/0/quantity": "must be at least 1",
        "/items/1/sku": "is required",
        "/items/1/quantity": "is required",
        "/a~1b": "is not asked for",
    }


def test_an_alternative_that_is_no_alternative_says_what_it_takes():
    assert problems({"days": 1, "due": 3}) == {"/due": "must be a string or null"}


def test_pointers_start_where_the_value_stands():
    assert schema.validate(TERMS, {}, pointer="/values") == [
        FieldError("/values/days", "is required")
    ]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2026-01-31", "31.1.2026"),
        ("date-time", "2026-01-31T09:30:00+01:00", "2026-02-30T09:30:00Z"),
        ("time", "09:30:00Z", "9:30"),
        ("email", "jane@firm.com", "jane"),
        ("uuid", "00000000-0000-0000-0000-000000000003", "3"),
        ("uri", "https://firm.com/a?b=c", "no scheme"),
    ],
)
def test_formats_are_checked(name, good, bad):
    assert schema.validate({"format": name}, good) == []
    [error] = schema.validate({"format": name}, bad)
    assert error.message.startswith("must be ")
    assert schema.validate({"format": name}, 3) == []


def test_a_flood_of_errors_is_cut():
    errors = schema.validate({"items": {"type": "string"}}, [1] * 5_000)
    assert len(errors) == schema.MAX_ERRORS
    [long] = schema.validate({"not": {}}, "x" * 5_000)
    assert len(long.message) <= 300


@pytest.mark.parametrize(
    ("bad", "pointer"),
    [
        ([], ""),
        ("object", ""),
        ({"type": "strin"}, "/type"),
        ({"properties": {"a": {"pattern": "("}}}, "/properties/a/pattern"),
        ({"minimum": float("nan")}, "/minimum"),
        ({"$ref": "#/$defs/missing"}, "/$ref"),
        ({"properties": {"a": {"$ref": "other.json"}}}, "/properties/a/$ref"),
        ({"$ref": "#"}, ""),
        ({"allOf": [{"$ref": "#"}]}, ""),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, "/properties/a/$ref"),
        ({"default": {"$ref": "nowhere"}, "not": {"$ref": "#/default"}}, ""),
        (
            {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
            "/$defs/a/$ref",
        ),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(bad, pointer):
    with pytest.raises(InvalidInput) as caught:
        schema.check_schema(bad)
    assert [error.pointer for error in caught.value.errors] == [pointer]


def test_a_pattern_takes_no_longer_than_the_text_is_long():
    of = {"type": "string", "pattern": "^(a+)+$"}
    assert problems("a" * 100_000 + "!", of) == {"": "must match ^(a+)+$"}
    assert problems("a" * 100_000, of) == {}


@pytest.mark.parametrize(
    ("pattern", "fits", "fails"),
    [
        ("b", "abc", "ac"),
        (r"^\d{3}$", "123", "1234"),
        (r"^(?!draft).*$", "final", "draft 2"),  # only Python's own know what is ahead
        (r"^\w+ \u00e9$", "ça é", "- é"),
    ],
)
def test_a_pattern_is_looked_for_anywhere_in_the_text(pattern, fits, fails):
    of = {"type": "string", "pattern": pattern}
    assert problems(fits, of) == {}
    assert problems(fails, of) == {"": f"must match {pattern}"}


def test_what_all_alternatives_ask_for_is_said_once():
    of = {"oneOf": [{"type": "object", "minProperties": 1}, {"type": "object"}, {"type": "string"}]}
    assert problems(3, of) == {"": "must be an object or a string"}


def test_references_within_a_schema_are_followed_and_data_is_not_mistaken_for_them():
    class Node(BaseModel):
        children: list[Node] = []

    Node.model_rebuild(_types_namespace={"Node": Node})
    of = Node.model_json_schema()
    assert problems({"children": [{"children": [3]}]}, of) == {
        "/children/0/children/0": "must be an object"
    }
    schema.check_schema(
        {"default": {"$ref": "nowhere"}, "properties": {"$ref": {"type": "string"}}}
    )


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/schema.json", "https://example.com/s"])
def test_a_reference_to_somewhere_else_is_never_fetched(address, monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(InvalidInput, match="nothing is fetched"):
        schema.check_schema({"$ref": address})


def test_a_schema_may_be_changed_by_its_owner_after_use():
    mine: dict[str, Any] = {"type": "object"}
    assert schema.validate(mine, {}) == []
    mine["required"] = ["a"]
    assert problems({}, mine) == {"/a": "is required"}


# --- answers -----------------------------------------------------------------------------------

ACTIONS = [
    {"name": "approve", "reply": TERMS, "note": "optional"},
    {"name": "reject", "reply": None, "note": "required"},
    {"name": "skip", "reply": None, "note": "none"},
]


@pytest.mark.parametrize(
    ("action", "values", "note", "expected"),
    [
        ("approve", {"days": 3}, None, {}),
        ("approve", {"days": 3}, "fine", {}),
        ("approve", None, None, {"/values/days": "is required"}),
        ("approve", [], None, {"/values": "must be an object"}),
        (
            "approve",
            {"days": float("nan")},
            None,
            {"/values/days": "is nan, which JSON does not have"},
        ),
        ("reject", None, "no", {}),
        ("reject", {}, " ", {"/note": "is required for this action"}),
        ("reject", {"a": 1}, "no", {"/values": "must be empty: this action takes no values"}),
        ("reject", {}, 3, {"/note": "must be a string"}),
        ("reject", {}, "\x00", {"/note": "has a NUL character in it"}),
        ("skip", {}, "why", {"/note": "must be empty: this action takes no note"}),
        ("skip", {}, "", {}),
        ("other", {}, None, {"/action": "'other' is not offered; choose approve, reject or skip"}),
        (None, {}, None, {"/action": "must be a string"}),
    ],
)
def test_an_answer_is_checked_as_a_whole(action, values, note, expected):
    errors = schema.check_answer(ACTIONS, action, values, note)
    assert {error.pointer: error.message for error in errors} == expected


def test_a_fallback_needs_no_note():
    assert schema.check_answer(ACTIONS, "reject", timed_out=True) == []


def test_values_over_a_mebibyte_are_too_large():
    with pytest.raises(TooLarge):
        schema.check_answer(ACTIONS, "approve", {"a": "x" * 2**20})
