"""Answers against their JSON Schema: the one judge of what a form accepts, in nodes and servers.

Draft 2020-12, with formats. Nothing is ever fetched: a `$ref` resolves within its own schema or
not at all. Schemas are checked and compiled once and remembered by their text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, time
from functools import lru_cache
from itertools import islice
from typing import Any, Final, TypeAlias

from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from signoff.domain import jsontext
from signoff.domain.errors import FieldError, InvalidInput, InvalidJSON

MAX_ERRORS: Final = 100
"""How many errors `validate` lists at most: beyond that, more of them help nobody."""

_MAX_MESSAGE: Final = 300


def check_schema(schema: object) -> None:
    """Pass if `schema` is a JSON Schema (an object) that answers can be validated against.

    Raises `InvalidInput`, its errors pointing into the schema, if it is none, if a pattern in it
    is no regular expression, or if a reference leads nowhere, outside, or round in circles.
    """
    _validator(schema)


def validate(schema: Mapping[str, Any], value: object, *, pointer: str = "") -> list[FieldError]:
    """All that is wrong with `value`, in the order of its places; empty if it fits `schema`.

    `pointer` is where `value` stands in the document that the errors are about. A missing
    property is reported at the place where it should be. Raises what `check_schema` raises.
    """
    try:
        found = list(islice(_validator(schema).iter_errors(value), MAX_ERRORS))
    except (Unresolvable, RecursionError) as error:
        return [FieldError(pointer, f"cannot be validated: {error}"[:_MAX_MESSAGE])]
    errors = {
        FieldError(pointer + jsontext.pointer(*path), message)
        for error in found
        for path, message in _readable(error)
    }
    return sorted(errors, key=lambda error: (error.pointer, error.message))[:MAX_ERRORS]


def check_answer(
    actions: Sequence[Mapping[str, Any]],
    action: object,
    values: object = None,
    note: object = None,
    *,
    timed_out: bool = False,
) -> list[FieldError]:
    """All that is wrong with an answer to an envelope with these `actions`; empty if it is fine.

    Pointers are into the answer: `/action`, `/values/...`, `/note`. `values` and `note` may be
    None. An action without a schema takes no values. A fallback (`timed_out`) needs no note, as
    there is nobody to write one. Raises `TooLarge` for values or a note over 1 MiB.
    """
    if not isinstance(action, str):
        return [FieldError("/action", "must be a string")]
    chosen = next((one for one in actions if one["name"] == action), None)
    if chosen is None:
        offered = _either([one["name"] for one in actions])
        return [FieldError("/action", _cut(f"{action!r} is not offered; choose {offered}"))]
    return [
        *_check_values(chosen["reply"], {} if values is None else values),
        *_check_note(chosen["note"], note, required=not timed_out),
    ]


def _check_values(schema: Mapping[str, Any] | None, values: object) -> list[FieldError]:
    if not isinstance(values, dict):
        return [FieldError("/values", "must be an object")]
    try:
        jsontext.check(values, where="values")
    except InvalidJSON as error:
        return [FieldError("/values" + one.pointer, one.message) for one in error.errors]
    if schema is not None:
        return validate(schema, values, pointer="/values")
    return [FieldError("/values", "must be empty: this action takes no values")] if values else []


def _check_note(rule: str, note: object, *, required: bool) -> list[FieldError]:
    if note is not None and not isinstance(note, str):
        return [FieldError("/note", "must be a string")]
    try:
        jsontext.check(note, where="note")
    except InvalidJSON as error:
        return [FieldError("/note", one.message) for one in error.errors]
    blank = note is None or not note.strip()
    if rule == "required" and blank and required:
        return [FieldError("/note", "is required for this action")]
    if rule == "none" and not blank:
        return [FieldError("/note", "must be empty: this action takes no note")]
    return []


# --- compiling ---------------------------------------------------------------------------------


Lookup: TypeAlias = Callable[[str], Any]
"""Where a reference within a schema leads."""


def _validator(schema: object) -> Draft202012Validator:
    if not isinstance(schema, dict):
        raise InvalidInput("A JSON Schema is a JSON object.", [FieldError("", "must be an object")])
    return _compile(jsontext.checked(schema, where="the JSON Schema"))


@lru_cache(maxsize=512)
def _compile(text: bytes) -> Draft202012Validator:
    schema = json.loads(text)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        at = jsontext.pointer(*error.absolute_path)
        message = _cut(error.message)
        raise InvalidInput(
            f"This is no JSON Schema{f', at {at}' if at else ''}: {message}.",
            [FieldError(at, message)],
        ) from None
    validator = _Validator(schema, registry=Registry(), format_checker=_format_checker)
    resource = DRAFT202012.create_resource(schema)
    lookup: Lookup = Registry().with_resource("", resource).resolver().lookup
    _check_references(schema, lookup)
    try:
        validator.is_valid({})
    except RecursionError:
        raise _circles("") from None
    except Unresolvable as error:  # by way of what is data, which was not looked into
        raise _nowhere("", str(error.ref)) from None
    for at, reference in _references(schema, ""):
        if _leads_to_itself(reference, lookup):
            raise _circles(at)
    return validator


def _circles(at: str) -> InvalidInput:
    message = "its references lead round in circles"
    return InvalidInput(
        f"The JSON Schema cannot be followed: {message}.", [FieldError(at, message)]
    )


def _nowhere(at: str, reference: str) -> InvalidInput:
    message = _cut(f"{reference!r} leads nowhere within this schema, and nothing is fetched")
    place = f"'s $ref at {at}" if at else ""
    return InvalidInput(
        f"The JSON Schema{place} cannot be followed: {message}.", [FieldError(at, message)]
    )


def _leads_to_itself(reference: str, lookup: Lookup) -> bool:
    """Whether a reference leads to nothing but references, round and round."""
    passed: set[str] = set()
    while reference not in passed:
        passed.add(reference)
        try:
            target = lookup(reference).contents
        except (LookupError, Unresolvable):  # as above: who answers is told
            return False
        if not isinstance(target, dict) or not isinstance(target.get("$ref"), str):
            return False
        reference = target["$ref"]
    return True


def _check_references(schema: dict[str, Any], lookup: Lookup) -> None:
    for at, reference in _references(schema, ""):
        try:
            if not reference.startswith("#"):
                raise LookupError
            lookup(reference)
        except (LookupError, Unresolvable):
            raise _nowhere(at, reference) from None


def _references(schema: Any, at: str) -> Iterator[tuple[str, str]]:
    """Where the references of a schema are and what they say; what is data is not looked into."""
    if isinstance(schema, dict):
        for key, part in schema.items():
            here = at + jsontext.pointer(key)
            if key in ("$ref", "$dynamicRef") and isinstance(part, str):
                yield here, part
            elif key not in ("const", "enum", "default", "examples"):
                yield from _references(part, here)
    elif isinstance(schema, list):
        for n, part in enumerate(schema):
            yield from _references(part, f"{at}/{n}")


# --- patterns, which must not take for ever ------------------------------------------------------


@lru_cache(maxsize=512)
def _matcher(pattern: str) -> Callable[[str], object]:
    """Whether a text has a match of the pattern, in a time that grows with the text alone.

    Python's own expressions can take years over a text of forty letters, and hold up everybody
    meanwhile. They are left with what the other ones do not know, such as a look ahead.
    """
    # Few schemas have patterns: the others, and who only asks, need not wait for this import.
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    text = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    try:
        return SchemaValidator(text).isinstance_python
    except SchemaError:
        return re.compile(pattern).search


def _pattern(
    validator: Any, pattern: str, instance: object, schema: object
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _matcher(pattern)(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator: type[Draft202012Validator] = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": _pattern}
)


# --- formats that the library checks only with further packages --------------------------------

_format_checker = FormatChecker(Draft202012Validator.FORMAT_CHECKER.checkers.keys())
_OFFSET = r"([zZ]|[+-]\d\d:\d\d)"
_TIME = re.compile(rf"\d\d:\d\d:\d\d(\.\d+)?{_OFFSET}", re.ASCII)
_DATE_TIME = re.compile(rf"\d{{4}}-\d\d-\d\d[tT ]\d\d:\d\d:\d\d(\.\d+)?{_OFFSET}", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*", re.ASCII)


@_format_checker.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    """RFC 3339, which wants an offset from UTC."""
    if not isinstance(value, str):
        return True
    return bool(_DATE_TIME.fullmatch(value) and datetime.fromisoformat(value.upper()))


@_format_checker.checks("time", raises=ValueError)
def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return bool(_TIME.fullmatch(value) and time.fromisoformat(value.upper()) is not None)


@_format_checker.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or _URI.fullmatch(value) is not None


# --- saying it to people -----------------------------------------------------------------------

Path: TypeAlias = tuple[str | int, ...]

_TYPE_NAMES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_FORMAT_NAMES = {
    "date": "a date such as 2026-01-31",
    "time": "a time with its offset, such as 09:30:00Z",
    "date-time": "a date and time with its offset, such as 2026-01-31T09:30:00Z",
    "email": "an e-mail address",
    "uri": "a URI",
    "uuid": "a UUID",
}
_MESSAGES: dict[str, Callable[[Any], str]] = {
    "type": lambda v: f"must be {_either([_TYPE_NAMES[t] for t in _listed(v)])}",
    "enum": lambda v: "must be " + _either([_shown(one) for one in v]),
    "const": lambda v: f"must be {_shown(v)}",
    "minimum": lambda v: f"must be at least {v}",
    "maximum": lambda v: f"must be at most {v}",
    "exclusiveMinimum": lambda v: f"must be more than {v}",
    "exclusiveMaximum": lambda v: f"must be less than {v}",
    "multipleOf": lambda v: f"must be a multiple of {v}",
    "minLength": lambda v: "must not be empty" if v == 1 else f"must have {v} characters or more",
    "maxLength": lambda v: f"must have {v} characters or fewer",
    "minItems": lambda v: "must not be empty" if v == 1 else f"must have {v} items or more",
    "maxItems": lambda v: f"must have {v} items or fewer",
    "uniqueItems": lambda _: "must not have an item twice",
    "pattern": lambda v: f"must match {v}",
    "format": lambda v: f"must be {_FORMAT_NAMES.get(v, f'in the format {v}')}",
    "required": lambda _: "is required",
    "additionalProperties": lambda _: "is not asked for",
}


def _readable(error: ValidationError) -> Iterator[tuple[Path, str]]:
    path: Path = tuple(error.absolute_path)
    limit: Any = error.validator_value
    instance: Any = error.instance
    rule = str(error.validator)
    message = _cut(_MESSAGES[rule](limit)) if rule in _MESSAGES else _cut(error.message)
    if rule == "required":
        yield from (((*path, name), message) for name in limit if name not in instance)
    elif rule == "additionalProperties" and limit is False:
        yield from (((*path, name), message) for name in _unexpected(instance, error.schema))
    elif rule in ("anyOf", "oneOf") and error.context:
        yield from _alternatives(error, path)
    else:
        yield path, message


def _alternatives(error: ValidationError, path: Path) -> Iterator[tuple[Path, str]]:
    """The errors of the one branch that was meant: the others differ in type altogether, or in a
    field with a constant, by which alternatives are told apart."""
    branches: dict[Any, list[ValidationError]] = {}
    for one in error.context:
        branches.setdefault(one.schema_path[0], []).append(one)
    meant = [branch for branch in branches.values() if not any(map(_is_another, branch))]
    said = [dict.fromkeys(s for one in b for s in _readable(one)) for b in meant or ()]
    common = [each for each in (said[0] if said else ()) if all(each in other for other in said)]
    if common:
        yield from common
    elif not meant and (choice := _choice(list(branches.values()))):
        yield choice
    elif not meant and all(len(branch) == 1 for branch in branches.values()):
        said_of_each = (m for [one] in branches.values() for _, m in _readable(one))
        words = list(dict.fromkeys(said_of_each))
        yield path, _cut(" or ".join([words[0], *(w.removeprefix("must be ") for w in words[1:])]))
    else:
        yield path, _cut(error.message)


def _is_another(error: ValidationError) -> bool:
    """Whether a branch of alternatives with this error is not the one that was meant."""
    if error.validator == "const":
        return len(error.relative_path) <= 1
    return error.validator == "type" and not error.relative_path


def _choice(branches: Sequence[Sequence[ValidationError]]) -> tuple[Path, str] | None:
    """What may stand in the one field whose constant tells all branches apart, if there is one."""
    found = [
        (tuple(one.absolute_path), one.validator_value)
        for branch in branches
        for one in branch
        if one.validator == "const" and len(one.relative_path) == 1
    ]
    places = {place for place, _ in found}
    if len(found) != len(branches) or len(places) != 1:
        return None
    return places.pop(), _cut("must be " + _either([_shown(value) for _, value in found]))


def _unexpected(instance: dict[str, Any], schema: Any) -> list[str]:
    patterns = schema.get("patternProperties", {})
    return [
        name
        for name in instance
        if name not in schema.get("properties", {})
        and not any(re.search(pattern, name) for pattern in patterns)
    ]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 1] + "…"
