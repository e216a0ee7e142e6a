"""Whatever is sent as a body: each answer is what was asked for or a problem document, never a 500.

Bodies begin as what a route takes, and are then bent: values of other types, texts and numbers that
cannot be kept, nesting without end, keys twice, other encodings, other media types.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from signoff import Role
from tests.fuzz.conftest import bounded
from tests.fuzz.test_openapi import DOCUMENT
from tests.fuzz.world import KNOWN, SCENES, World

ROUTES = [
    (method.upper(), path)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if "requestBody" in operation
]

RAW = ["NaN", "-Infinity", "1e999", "-0", "1" * 400, "1" * 5000, "[" * 3000, '{"a":' * 3000]
"""What no value is written as: it stands in the text for a value."""

JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, 0.1, -1e308, 5e-324),
    *("", " ", "x", "x" * 300, "é" * 5000, "\0", "\ud800", "\udfff", "\u202e", "1", "true", "null"),
    *("a/b", "../..", "%00", "'; DROP TABLE runs; --", "2026-03-02T09:00:00Z", "group:legal"),
    *([], {}, [[]], [None], {"": None}, {"a": {"b": [1, {"c": None}]}}, ["x"] * 300),
    *({"__proto__": 1}, {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}),
    *({"$ref": "#/x"}, {"configurable": {"thread_id": "x"}}, [{"type": "approve"}, {}]),
]
for depth in (40, 70, 500):
    JUNK += [json.loads("[" * depth + "]" * depth), json.loads('{"a":' * depth + "1" + "}" * depth)]

MEDIA_TYPES = [
    *("text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
    *(
        "application/json; charset=utf-16",
        "application/vnd.x+json",
        "APPLICATION/JSON",
        "json",
        "/",
    ),
]


def properties(method: str, path: str) -> dict[str, Any]:
    """The fields that the body of a route may have."""
    operation = DOCUMENT["paths"][path][method.lower()]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    named = schema["$ref"].rpartition("/")[2]
    return dict(DOCUMENT["components"]["schemas"][named]["properties"])


def body(method: str, path: str, choose: random.Random) -> Any:
    """What a route may take, more or less."""
    fields = properties(method, path)
    made = {
        name: choose.choice(KNOWN[name] if name in KNOWN and choose.random() < 0.9 else JUNK)
        for name in fields
        if name in ("action", "assistant_id", "text", "to", "values") or choose.random() < 0.3
    }
    if "command" in fields and choose.random() < 0.5:
        made["command"] = {"resume": choose.choice(KNOWN["resume"])}
        made.pop("input", None)
    if "decisions" in fields:
        one = {"request_id": "request of it", "action": "approve"}
        made["decisions"] = [bent(one, choose) for _ in range(choose.randint(1, 3))]
    return made


def bent(value: Any, choose: random.Random) -> Any:
    """A value with something else somewhere in it."""
    if isinstance(value, dict) and value and choose.random() < 0.8:
        key = choose.choice([*value])
        if choose.random() < 0.15:
            return {name: part for name, part in value.items() if name != key}
        if choose.random() < 0.1:
            return {**value, choose.choice(["", "\0", "extra", "\ud800", "a" * 999]): 1}
        return {**value, key: bent(value[key], choose)}
    if isinstance(value, list) and value and choose.random() < 0.8:
        at = choose.randrange(len(value))
        return [*value[:at], bent(value[at], choose), *value[at + 1 :]]
    return f"@{choose.choice(RAW)}@" if choose.random() < 0.2 else choose.choice(JUNK)


def written(value: Any, choose: random.Random) -> bytes:
    """The bytes of a body, which may be none of JSON."""
    text = json.dumps(value, ensure_ascii=choose.random() < 0.7)
    for raw in RAW:
        text = text.replace(json.dumps(f"@{raw}@"), raw)
    if isinstance(value, dict) and value and choose.random() < 0.1:
        key = choose.choice([*value])
        text = f"{{{json.dumps(key)}: {json.dumps(choose.choice(JUNK))}, {text[1:]}"
    content = text.encode(choose.choice(["utf-8"] * 8 + ["utf-16", "utf-8-sig"]), "surrogatepass")
    if choose.random() < 0.08:
        at = choose.randrange(len(content) + 1)
        content = (
            content[:at] + choose.choice([b"", b"\xff", b"\0", b'"', b"}"]) + content[at + 1 :]
        )
    return content


@pytest.fixture(autouse=True)
def whole(world: World) -> Iterator[None]:
    """After each route nothing is half done, and the audit holds."""
    yield
    world.check()


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[" ".join(each) for each in ROUTES])
@bounded(12)
@given(seed=st.integers(0, 2**64))
def test_each_body_is_taken_or_answered_with_a_problem(
    world: World, method: str, path: str, seed: int
) -> None:
    choose = random.Random(seed)
    scene = choose.choice([*SCENES])
    value = world.real(body(method, path, choose), scene)
    for _ in range(choose.choice([0, 1, 1, 1, 2, 3])):
        value = bent(value, choose)
    content = written(value, choose)
    headers = {"content-type": "application/json", **world.headers(Role.ADMIN)}
    if choose.random() < 0.06:
        headers["content-type"] = choose.choice(MEDIA_TYPES)
    if choose.random() < 0.02:
        headers["content-encoding"], content = "gzip", gzip.compress(content)
    if choose.random() < 0.1:
        headers["idempotency-key"] = choose.choice(["k", "x" * 300, ""])
    for name in ("thread_id", "request_id", "run_id"):
        path = path.replace(f"{{{name}}}", world.real(KNOWN[name][0], scene))
    response = requests.request(
        method, world.address + path, data=content, headers=headers, timeout=20
    )
    assert response.status_code < 500, (response.text, content[:2000])
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        said = response.json()
        assert (said["status"], said["code"] != "internal_error") == (response.status_code, True)
        assert said["detail"]
