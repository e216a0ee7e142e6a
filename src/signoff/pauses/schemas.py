"""Parts of other people's JSON Schemas, put to use in the schemas of actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from signoff.domain.errors import InvalidInput
from signoff.schema import check_schema

Schema = dict[str, Any]

ANY_OBJECT: Schema = {"type": "object"}

_DEFINITIONS = ("$defs", "definitions")
_DATA = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose values are no schemas."""


def properties(schema: Schema, *, required: tuple[str, ...]) -> Schema:
    """The schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": schema,
        "required": list(required),
        "additionalProperties": False,
    }


def followed(schema: Any, root: Schema) -> Schema:
    """A schema with its `$ref` followed through its document; empty where that leads nowhere."""
    for _ in range(16):
        if not isinstance(schema, dict):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = _at(reference, root)
    return {}


def is_object(schema: Schema, root: Schema | None = None, depth: int = 0) -> bool:
    """Whether only JSON objects can fit a schema, as far as it says so plainly."""
    root = schema if root is None else root
    schema = followed(schema, root)
    if schema.get("type") == "object":
        return True
    if "type" in schema or depth > 8:
        return False
    for several in ("oneOf", "anyOf"):
        branches = schema.get(several)
        if isinstance(branches, list) and branches:
            return all(is_object(branch, root, depth + 1) for branch in branches)
    branches = schema.get("allOf")
    if isinstance(branches, list) and any(is_object(each, root, depth + 1) for each in branches):
        return True
    return isinstance(schema.get("properties"), dict)


def member(name: str, schema: Schema, root: Schema) -> tuple[Schema, Schema]:
    """A schema out of the document `root` as the property `name` of an object, and what is to
    stand beside the properties: the definitions that it refers to."""
    to = f"#/properties/{name}"
    moved = _moved({key: part for key, part in schema.items() if key not in _DEFINITIONS}, to)
    definitions = {
        (word, key): _moved(part, to)
        for word in _DEFINITIONS
        for document in (root, schema)  # its own come last, as they are nearer
        for key, part in _dict(document.get(word)).items()
    }
    beside: Schema = {}
    pending = [moved]
    while pending:
        for reference in _references(pending.pop()):
            word, key = place = _definition(reference)
            if place in definitions and key not in beside.setdefault(word, {}):
                beside[word][key] = definitions[place]
                pending.append(definitions[place])
    return moved, beside


def sound(schema: Schema) -> bool:
    """Whether answers can be validated against a schema."""
    try:
        check_schema(schema)
    except InvalidInput:
        return False
    return True


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, part in schema.items():
            if key == "$ref" and isinstance(part, str):
                yield part
            elif key not in _DATA:
                yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def _moved(schema: Any, to: str) -> Any:
    """A schema whose references to its own place lead to its new one."""
    if isinstance(schema, dict):
        return {
            key: (
                _moved_reference(part, to)
                if key == "$ref" and isinstance(part, str)
                else part
                if key in _DATA
                else _moved(part, to)
            )
            for key, part in schema.items()
        }
    if isinstance(schema, list):
        return [_moved(part, to) for part in schema]
    return schema


def _moved_reference(reference: str, to: str) -> str:
    if reference == "#":
        return to
    if reference.startswith("#/") and reference.split("/")[1] not in _DEFINITIONS:
        return to + reference[1:]
    return reference


def _definition(reference: str) -> tuple[str, str]:
    """The keyword and the name of the definition that a reference leads to, or into."""
    start, *steps = reference.split("/")
    return (steps[0], _plain(steps[1])) if start == "#" and len(steps) > 1 else ("", "")


def _plain(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _at(reference: str, root: Any) -> Any:
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    for step in reference[2:].split("/"):
        root = root.get(_plain(step)) if isinstance(root, dict) else None
    return root


def _dict(value: Any) -> Schema:
    return value if isinstance(value, dict) else {}
