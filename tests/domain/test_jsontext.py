"""What is kept as JSON, how it is digested, and what people see of what is not JSON."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import subprocess
import sys
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.domain import jsontext
from signoff.domain.errors import InvalidJSON, TooLarge

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)
ANYTHING = st.recursive(
    st.none()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.complex_numbers(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.none() | st.integers() | st.text(), inner)
        | st.frozensets(st.integers() | st.text() | st.dates())
    ),
)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


class Color(enum.Enum):
    RED = "red"


class Priority(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


Pair = namedtuple("Pair", "left right")


# --- check -------------------------------------------------------------------------------------


@given(JSON)
def test_json_passes_and_its_canonical_text_reads_back(value):
    text = jsontext.checked(value, where="it")
    assert text == jsontext.canonical(value)
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("value", "pointer", "problem"),
    [
        ({"a": [datetime(2026, 1, 1)]}, "/a/0", "is a datetime.datetime, not JSON"),
        ({"a": (1, 2)}, "/a", "is a tuple, not JSON"),
        ({"a": {1}}, "/a", "is a set, not JSON"),
        (Priority.HIGH, "", f"is a {__name__}.Priority, not JSON"),
        (OrderedDict(), "", "is a collections.OrderedDict, not JSON"),
        ({"a": {1: 2}}, "/a", "has an int as a key; keys are strings"),
        ({"a": float("nan")}, "/a", "is nan, which JSON does not have"),
        ([0, float("-inf")], "/1", "is -inf, which JSON does not have"),
        ({"a/b": {"c~d": "x\x00"}}, "/a~1b/c~0d", "has a NUL character in it"),
        (["\ud800"], "/0", "has a lone surrogate in it"),
        ({"a": {"\udfff": 1}}, "/a", "has a key with a lone surrogate in it"),
        ({"k\x00": 1}, "", "has a key with a NUL character in it"),
        ([2**64], "/0", "is an integer beyond 64 bits"),
        ([-(2**63) - 1], "/0", "is an integer beyond 64 bits"),
        pytest.param(10**5000, "", "is an integer beyond 64 bits", id="5001 digits"),
        (nested(65), "/0" * 64, "is nested more than 64 levels deep"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(value, pointer, problem):
    with pytest.raises(InvalidJSON) as caught:
        jsontext.check(value, where="show")
    [error] = caught.value.errors
    assert (error.pointer, error.message) == (pointer, problem)
    assert caught.value.message.startswith("show: ")
    json.dumps(error.as_dict(), ensure_ascii=False).encode()


def test_an_escaped_backslash_before_u0000_is_no_nul():
    jsontext.check({"regex": r"\u0000"}, where="it")
    with pytest.raises(InvalidJSON):
        jsontext.check([r"\u0000", "\x00"], where="it")


def test_nesting_may_go_64_deep():
    jsontext.check(nested(64), where="it")
    jsontext.check({"a": nested(63)}, where="it")


def test_a_value_that_contains_itself_is_refused():
    cycle: dict[str, Any] = {}
    cycle["again"] = cycle
    with pytest.raises(InvalidJSON, match="nested more than 64"):
        jsontext.check(cycle, where="it")


@pytest.mark.parametrize("deep", [5_000, 100_000])
def test_very_deep_values_are_refused_without_a_recursion_error(deep):
    with pytest.raises(InvalidJSON):
        jsontext.check(nested(deep), where="it")


def test_the_size_counts_in_bytes_of_utf_8():
    limit = jsontext.MAX_BYTES
    jsontext.check("x" * (limit - 2), where="it")
    jsontext.check("ä" * (limit // 2 - 1), where="it")
    for value in ["x" * (limit - 1), "ä" * (limit // 2), [0] * limit, {"k" * limit: 1}]:
        with pytest.raises(TooLarge, match="it is over the limit of 1 MiB"):
            jsontext.check(value, where="it")


def test_values_that_share_their_parts_do_not_explode():
    value: Any = [1]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(TooLarge):
        jsontext.check(value, where="it")
    jsontext.to_json(value)


# --- canonical text and digest -----------------------------------------------------------------


def test_the_canonical_text_has_sorted_keys_and_no_spaces():
    assert (
        jsontext.canonical({"b": [1, 2.5, None], "a": "ä"}) == '{"a":"ä","b":[1,2.5,null]}'.encode()
    )


def test_the_digest_is_the_sha_256_of_the_canonical_text():
    assert jsontext.digest({}) == (
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )


@given(JSON, st.randoms())
def test_the_order_of_keys_does_not_change_the_digest(value, random):
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            random.shuffle(items)
            return {key: shuffled(item) for key, item in items}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    assert jsontext.digest(shuffled(value)) == jsontext.digest(value)


def test_what_is_not_json_has_no_digest():
    for value in [object(), float("nan"), "\ud800", nested(5_000)]:
        with pytest.raises(InvalidJSON):
            jsontext.digest(value)


@pytest.mark.parametrize(
    ("steps", "pointer"), [((), ""), (("a", 0), "/a/0"), (("a/b", "m~n", ""), "/a~1b/m~0n/")]
)
def test_pointers_are_escaped(steps, pointer):
    assert jsontext.pointer(*steps) == pointer


# --- to_json -----------------------------------------------------------------------------------


@given(JSON)
def test_json_is_shown_as_it_is(value):
    assert jsontext.to_json(value) is value


@given(ANYTHING)
def test_whatever_is_shown_can_be_kept(value):
    jsontext.check(jsontext.to_json(value), where="it")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (datetime(2026, 1, 31, 9, 30, tzinfo=UTC), "2026-01-31T09:30:00+00:00"),
        (date(2026, 1, 31), "2026-01-31"),
        (timedelta(hours=25), "PT25H"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=3), "00000000-0000-0000-0000-000000000003"),
        (Color.RED, "red"),
        (Priority.HIGH, 3),
        (PurePosixPath("/a/b"), "/a/b"),
        (b"text", "text"),
        (b"\xff\x00", "/wA="),
        ((1, (2, 3)), [1, [2, 3]]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", 1, "a"}), ["a", "b", 1]),
        (Pair(1, {2}), {"left": 1, "right": [2]}),
        (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None}}),
        ([float("nan"), float("inf"), 1.5], [None, None, 1.5]),
        ("a\x00b\ud800", "a\ufffdb\ufffd"),
        (
            {2: "a", None: "b", True: "c", (1, 2): "d", Color.RED: "e"},
            {"2": "a", "null": "b", "true": "c", "[1,2]": "d", "red": "e"},
        ),
        (2**70, "<integer of 71 bits>"),
        (ValueError("no"), "ValueError: no"),
        (object(), "<builtins.object>"),
        (SimpleNamespace(a=1), "<types.SimpleNamespace>"),
        (Point, f"<class {__name__}.Point>"),
        (len, "<builtins.builtin_function_or_method>"),
    ],
)
def test_what_a_graph_may_hand_over_is_shown(value, shown):
    assert jsontext.to_json(value) == shown


def test_messages_and_models_are_shown_as_objects():
    from langchain_core.messages import AIMessage
    from pydantic import BaseModel

    class Terms(BaseModel):
        days: int
        tags: set[str] = {"b", "a"}

    assert jsontext.to_json([Terms(days=30)]) == [{"days": 30, "tags": ["a", "b"]}]
    message = jsontext.to_json({"messages": [AIMessage("hello")]})
    assert message["messages"][0]["content"] == "hello"
    assert message["messages"][0]["type"] == "ai"


def test_cycles_and_depth_are_cut_with_a_marker():
    cycle: dict[str, Any] = {"n": 1}
    cycle["again"] = cycle
    assert jsontext.to_json(cycle) == {"n": 1, "again": jsontext.CYCLE}
    shared = [b"x"]
    assert jsontext.to_json([shared, shared]) == [["x"], ["x"]]
    assert jsontext.CUT in json.dumps(jsontext.to_json(nested(65)))
    assert jsontext.CUT not in json.dumps(jsontext.to_json(nested(64)))


def test_an_object_that_fails_when_looked_at_does_no_harm():
    class Hostile:
        def model_dump(self) -> Any:
            raise RuntimeError("no")

    class Endless:
        def model_dump(self) -> Any:
            return [Endless()]

    assert jsontext.to_json([Hostile()]) == [f"<{__name__}.{Hostile.__qualname__}>"]
    assert jsontext.CUT in json.dumps(jsontext.to_json(Endless()))


def test_the_digest_of_what_is_shown_agrees_between_processes():
    program = """
import enum
from datetime import datetime
from signoff.domain import jsontext
from pydantic import BaseModel
class M(BaseModel):
    tags: set[str] = set("abcdefgh")
print(jsontext.digest(jsontext.to_json({
    "set": frozenset("xyzuvw"), "model": M(), "at": datetime(2026, 1, 1), "object": object(),
    "function": len, "error": ValueError("x"), "nested": {("a", 1): {frozenset("ab"), 2}},
})))
"""
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(digests) == 1
