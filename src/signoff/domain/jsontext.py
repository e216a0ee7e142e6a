"""JSON as Signoff keeps it: what is accepted, how it is written canonically, how it is digested.

`check` is the gate for everything that is stored: it is exact, and says what is wrong and where.
`to_json` is for everything that is only *shown*: it accepts whatever a graph may hand over.
Both run for every pause, so JSON that is fine already takes a fast path.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NoReturn, TypeAlias
from uuid import UUID

from signoff.domain import duration
from signoff.domain.errors import FieldError, InvalidJSON, TooLarge

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None

MAX_BYTES: Final = 1024 * 1024
"""The most that a payload, or an answer, may take as compact JSON in UTF-8."""
MAX_DEPTH: Final = 64
"""How many arrays and objects may stand within each other."""
MAX_TITLE: Final = 300
"""The most characters that a title may have."""

CYCLE: Final = "<cycle>"
"""Stands in `to_json` where a value contains itself."""
CUT: Final = "<cut>"
"""Stands in `to_json` where a value is nested too deep, or goes on for too long."""

_MIN_INT: Final = -(2**63)
_MAX_INT: Final = 2**64 - 1
_MAX_SHOWN: Final = 250_000
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

_encode = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


def check(value: object, *, where: str) -> None:
    """Pass if `value` is JSON that can be kept; `where` names it in the error.

    If that is a JSON pointer, such as ``/values``, the errors point from the same root.

    Accepted are exactly None, bool, int, float, str, list and dict with str keys: no subclasses,
    no tuples, so that what is stored is what was given. Refused is also what PostgreSQL's `jsonb`
    or LangGraph's serializer cannot hold: NaN and infinities, integers beyond 64 bits, NUL
    characters, lone surrogates.

    Raises `InvalidJSON`, its one `FieldError` pointing at the place, for these and for nesting
    beyond `MAX_DEPTH`; `TooLarge` beyond `MAX_BYTES`.
    """
    checked(value, where=where)


def checked(value: object, *, where: str) -> bytes:
    """`canonical(value)`, once `check` has passed; for who needs both and wants to pay once."""
    if not _has_json_shape(value, unlimited=False):
        _explain(value, where)
        _refuse_size(where)
    try:
        text = _encode(value)
    except ValueError:
        _explain(value, where)
        raise
    if _may_be_unstorable(text):
        _explain(value, where)
    encoded = text.encode()
    if len(encoded) > MAX_BYTES:
        _refuse_size(where)
    return encoded


def canonical(value: object) -> bytes:
    """The one way to write a JSON value: sorted keys, no spaces, UTF-8.

    Numbers are written as Python has them (`1` and `1.0` differ), and `jsonb` may hand back
    another spelling of a float: digest a value before it is stored, and store the digest.

    Raises `InvalidJSON` for what no JSON text can be made of. Says nothing on size.
    """
    try:
        return _encode(value).encode()
    except (TypeError, ValueError, RecursionError):
        _explain(value, "value")
        raise


def digest(value: object) -> str:
    """`sha256:<hex>` of the canonical text: equal for equal JSON, in every process."""
    return digest_of_text(canonical(value))


def digest_of_text(text: bytes) -> str:
    """`sha256:<hex>` of a canonical text that is at hand already."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def to_json(value: object) -> JSON:
    """`value` as JSON for display, whatever it is; the same value gives the same JSON everywhere.

    JSON that `check` would pass, whatever its size, is returned itself, not as a copy. Of the rest:
    dates, UUIDs, decimals and paths become their text, durations ISO 8601, enumerations their
    value, bytes their UTF-8 text or else base64, sets sorted lists, tuples lists, named tuples,
    dataclasses and models (anything with `model_dump`, such as messages) objects, NaN and
    infinities null. NUL and lone surrogates become U+FFFD. What has no JSON form becomes the name
    of its class in angle brackets; cycles and what is nested beyond `MAX_DEPTH` are cut with a
    marker. Never raises on account of the value.
    """
    if _has_json_shape(value, unlimited=True):
        try:
            text = _encode(value)
        except ValueError:  # NaN or infinity
            pass
        else:
            if not _may_be_unstorable(text):
                return value  # type: ignore[return-value]
    return _Display().render(value, 0)


def pointer(*steps: str | int) -> str:
    """The JSON pointer (RFC 6901) that goes these steps down from the top of a document."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


# --- the gate ----------------------------------------------------------------------------------


def _has_json_shape(value: object, *, unlimited: bool) -> bool:
    """Whether all types are JSON's own and the nesting is fine, and, unless `unlimited`, the whole
    small enough to be worth writing out. Level by level, as that keeps count of the depth."""
    size = 0
    level: list[Any] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for container in level:
            size += len(container)
            if type(container) is dict:
                for key in container:
                    if type(key) is not str:
                        return False
                    size += len(key)
                items: Any = container.values()
            else:
                items = container
            for item in items:
                kind = type(item)
                if kind is str:
                    size += len(item)
                elif kind is dict or kind is list:
                    below.append(item)
                elif kind is int:
                    if not _MIN_INT <= item <= _MAX_INT:
                        return False
                elif kind is not bool and kind is not float and item is not None:
                    return False
            if (size > MAX_BYTES and not unlimited) or len(below) > MAX_BYTES:
                return False
        if not below:
            return True
        level = below
    return False


def _may_be_unstorable(text: str) -> bool:
    """Whether NUL or a lone surrogate is in the JSON `text`; also where a backslash before
    `u0000` is only text, as that is rare and a closer look is cheap."""
    return "\\u0000" in text or (not text.isascii() and _SURROGATE.search(text) is not None)


def _refuse_size(where: str) -> NoReturn:
    raise TooLarge(f"{where} is over the limit of 1 MiB ({MAX_BYTES:,} bytes) as JSON.")


def _explain(value: object, where: str) -> None:
    """Raise `InvalidJSON` for the first thing wrong with `value`, if there is one."""
    seen = 0
    pending: list[tuple[object, tuple[str | int, ...]]] = [(value, ())]
    while pending:
        item, path = pending.pop()
        seen += 1
        if seen > MAX_BYTES:
            _refuse_size(where)
        problem = _problem(item)
        if problem is None and len(path) >= MAX_DEPTH and isinstance(item, list | dict):
            problem = f"is nested more than {MAX_DEPTH} levels deep"
        if problem is not None:
            _refuse(where, path, problem)
        if isinstance(item, dict):
            for key in item:
                if type(key) is not str:
                    _refuse(where, path, f"has {_named(key)} as a key; keys are strings")
                if _UNSTORABLE.search(key):
                    _refuse(where, path, f"has a key with {_character(key)} in it")
            pending.extend((item[key], (*path, key)) for key in reversed(item))
        elif isinstance(item, list):
            pending.extend((item[n], (*path, n)) for n in reversed(range(len(item))))


def _within(where: str) -> str:
    """What a pointer begins with: the name of the value, if that is a pointer itself."""
    return where if where.startswith("/") else ""


def _problem(item: object) -> str | None:
    kind = type(item)
    if item is None or kind in (bool, list, dict):
        return None
    if kind is str:
        text = str(item)
        return f"has {_character(text)} in it" if _UNSTORABLE.search(text) else None
    if kind is int:
        fits = _MIN_INT <= item <= _MAX_INT  # type: ignore[operator]
        return None if fits else "is an integer beyond 64 bits"
    if kind is float:
        return None if math.isfinite(item) else f"is {item}, which JSON does not have"  # type: ignore[arg-type]
    return f"is {_named(item)}, not JSON"


def _refuse(where: str, path: tuple[str | int, ...], problem: str) -> NoReturn:
    steps: list[str | int] = list(path) if len(path) <= 8 else [*path[:8], "…"]
    at = _UNSTORABLE.sub("\ufffd", pointer(*steps))
    raise InvalidJSON(
        f"{where}: {f'the value at {at}' if at else 'the value'} {problem}.",
        [FieldError(_within(where) + _UNSTORABLE.sub("\ufffd", pointer(*path)), problem)],
    )


def _named(item: object) -> str:
    kind = type(item)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _class_name(kind)
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _class_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _character(text: str) -> str:
    return "a NUL character" if "\x00" in text else "a lone surrogate"


# --- for display -------------------------------------------------------------------------------


class _Display:
    """One conversion: knows what it is inside of, and how much it has written."""

    def __init__(self) -> None:
        self.inside: set[int] = set()
        self.left = _MAX_SHOWN

    def render(self, value: object, depth: int) -> JSON:
        self.left -= 1
        if self.left < 0:
            return CUT
        try:
            return self._render(value, depth)
        except Exception:  # somebody's property or model_dump: display must not break a pause
            return _marker(value)

    def _render(self, value: object, depth: int) -> JSON:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.render(value.value, depth)
        scalar = _scalar(value)
        if scalar is not _NO_SCALAR:
            return scalar
        if id(value) in self.inside:
            return CYCLE
        if depth >= MAX_DEPTH:
            return CUT
        self.inside.add(id(value))
        try:
            return self._container(value, depth + 1)
        finally:
            self.inside.discard(id(value))

    def _container(self, value: object, depth: int) -> JSON:
        if isinstance(value, Mapping):
            return {self._key(k): self.render(v, depth) for k, v in value.items()}
        if isinstance(value, Set):
            return sorted((self.render(v, depth) for v in value), key=canonical)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return {k: self.render(getattr(value, k), depth) for k in value._fields}
        if isinstance(value, Sequence):
            return [self.render(v, depth) for v in value]
        if isinstance(value, type):
            return f"<class {_class_name(value)}>"
        if dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
            return {k: self.render(getattr(value, k), depth) for k in names if hasattr(value, k)}
        for method in ("model_dump", "tolist"):  # models and messages; arrays of numbers
            if callable(convert := getattr(value, method, None)):
                return self.render(convert(), depth)
        return _marker(value)

    def _key(self, key: object) -> str:
        rendered = self.render(key, MAX_DEPTH - 1)
        if isinstance(rendered, str):
            return rendered
        return _clean(canonical(rendered).decode())


_NO_SCALAR: Final[JSON] = {}


def _scalar(value: object) -> JSON:
    """The JSON of a value that contains no others; `_NO_SCALAR` if it is none such."""
    match value:
        case str():
            return _clean(str.__str__(value))
        case int():
            number = int(value)
            fits = _MIN_INT <= number <= _MAX_INT
            return number if fits else f"<integer of {number.bit_length()} bits>"
        case float():
            return float(value) if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return duration.isoformat(value)
        case Decimal() | UUID():
            return str(value)
        case bytes() | bytearray() | memoryview():
            return _text_of(bytes(value))
        case os.PathLike():
            return _clean(str(value))
        case BaseException():
            return _clean(f"{type(value).__name__}: {value}")
    return _NO_SCALAR


def _clean(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", text)


def _text_of(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\x00"
    return base64.b64encode(data).decode() if "\x00" in text else text


def _marker(value: object) -> str:
    return f"<{_class_name(type(value))}>"
