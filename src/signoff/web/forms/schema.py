"""What a JSON Schema says to a form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from signoff.pauses.schemas import followed

Schema: TypeAlias = Mapping[str, Any]


def resolved(schema: Any, root: Schema) -> tuple[dict[str, Any], bool]:
    """A schema with its reference followed and null taken out of it; whether null fits too."""
    if not isinstance(schema, dict):
        return {}, False
    beside = {name: part for name, part in schema.items() if name != "$ref"}
    if "$ref" in schema:
        schema = {**followed(schema, dict(root)), **beside}
    if isinstance(all_ := schema.get("allOf"), list) and len(all_) == 1:
        inner, _ = resolved(all_[0], root)
        schema = {**inner, **{n: part for n, part in schema.items() if n != "allOf"}}
    nullable = False
    if isinstance(types := schema.get("type"), list):
        nullable = "null" in types
        rest = [each for each in types if each != "null"]
        schema = {**schema, "type": rest[0]} if len(rest) == 1 else {**schema, "anyOf": [{}, {}]}
        if len(rest) != 1:
            schema.pop("type", None)
    for word in ("anyOf", "oneOf"):
        several = schema.get(word)
        if isinstance(several, list):
            plain = [each for each in several if followed(each, dict(root)).get("type") != "null"]
            nullable = nullable or len(plain) < len(several)
            if len(plain) == 1:
                inner, also = resolved(plain[0], root)
                outer = {name: part for name, part in schema.items() if name != word}
                schema, nullable = {**inner, **outer}, nullable or also
    return schema, nullable


def branches(schema: Schema, root: Schema) -> list[tuple[str, str, Schema]] | None:
    """The alternatives of a schema by the constant that tells them apart; None if none does."""
    several = schema.get("oneOf") or schema.get("anyOf")
    if not isinstance(several, list) or not several:
        return None
    found: list[tuple[str, str, Schema]] = []
    for each in several:
        branch = followed(each, dict(root))
        fields = branch.get("properties")
        constants = {
            name: part["const"]
            for name, part in (fields if isinstance(fields, dict) else {}).items()
            if isinstance(part, dict) and isinstance(part.get("const"), str)
        }
        if not constants:
            return None
        key = next(iter(constants))
        found.append((key, constants[key], branch))
    if len({key for key, _, _ in found}) > 1 or len({word for _, word, _ in found}) < len(found):
        return None
    return found


def like(value: Any) -> dict[str, Any]:
    """A schema for values like this one."""
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "number"}
        case float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array"}
        case dict():
            return {"type": "object"}
    return {}
