"""The fields of a graph's state: how people edit them, and what becomes of what they write."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from langgraph.channels import BinaryOperatorAggregate, DeltaChannel, Topic
from langgraph.constants import END
from langgraph.graph import message as messages
from langgraph.pregel import Pregel
from pydantic import TypeAdapter, ValidationError

from signoff.domain.errors import FieldError, InvalidInput
from signoff.graph.typed_dicts import readable

JSONSchema = dict[str, Any]

MESSAGES: JSONSchema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "examples": ["human", "ai"]},
            "role": {"type": "string", "examples": ["user", "assistant"]},
            "content": {},
            "id": {"type": ["string", "null"]},
        },
        "required": ["content"],
    },
}
"""Messages as LangGraph takes them: an id that is there already stands for that message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One channel of a graph's state. A reducer adds what is written to a `reduced` one."""

    name: str
    type: Any
    reduced: bool
    messages: bool
    private: bool


def fields(graph: Pregel[Any, Any, Any, Any]) -> dict[str, Field]:
    """The fields of a graph's state; private are those that only single nodes have in theirs."""
    builder = getattr(graph, "builder", None)
    public = graph.stream_channels_list
    if builder is not None:
        public = [name for name in builder.schemas[builder.state_schema] if name in graph.channels]
    names = dict.fromkeys([*public, *graph.stream_channels_list])
    names.pop(END, None)  # what an `@entrypoint` has returned, which has no state
    return {name: _field(graph, name, private=name not in public) for name in names}


def schema(
    known: Mapping[str, Field], names: list[str], labels: Mapping[str, str]
) -> JSONSchema | None:
    """The JSON Schema of values for these fields, none of which has to be given; None for none."""
    if not names:
        return None
    made, definitions = _schemas([known[name] for name in names])
    properties = {}
    for name in names:
        shown = dict(made[name])
        if name in labels:
            shown["title"] = labels[name]
        elif "$ref" not in shown:
            shown.setdefault("title", name.replace("_", " ").capitalize())
        if known[name].reduced:
            shown.setdefault("description", "Is added to what is there.")
        properties[name] = shown
    found = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "$defs": definitions} if definitions else found


def from_json(graph: Pregel[Any, Any, Any, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as the types of their fields want them: dates, enums, models.

    What a reducer takes may be of another type than what it keeps, so there a value that does not
    fit is left to it.

    Raises:
        InvalidInput: A value does not fit its field, or there is no such field.
    """
    known = fields(graph)
    made, errors = {}, []
    for name, value in values.items():
        if name not in known:
            errors.append(FieldError(f"/values/{name}", "is no field of the graph's state"))
            continue
        field, adapter = known[name], _adapter(known[name])
        made[name] = value
        if adapter is None or field.messages:
            continue
        try:
            made[name] = adapter.validate_json(orjson.dumps(value))
        except ValidationError as error:
            if not field.reduced:
                said = "; ".join(each["msg"] for each in error.errors())
                errors.append(FieldError(f"/values/{name}", said))
    if errors:
        said = "; ".join(f"{each.pointer[len('/values/') :]}: {each.message}" for each in errors)
        raise InvalidInput(f"the graph's state does not take these values: {said}", errors)
    return made


def _field(graph: Pregel[Any, Any, Any, Any], name: str, *, private: bool) -> Field:
    channel = graph.channels[name]
    reducer = getattr(channel, "operator", None)
    return Field(
        name=name,
        type=getattr(channel, "UpdateType", Any),
        reduced=isinstance(channel, BinaryOperatorAggregate | DeltaChannel | Topic),
        messages=getattr(reducer, "__module__", None) == messages.__name__,
        private=private,
    )


def _adapter(field: Field) -> TypeAdapter[Any] | None:
    """What reads the field's type; None for a type that only Python code can make."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(readable(field.type))
            adapter.json_schema()
        except Exception:
            return None
    return adapter


def _schemas(wanted: list[Field]) -> tuple[dict[str, JSONSchema], JSONSchema]:
    """The schema of each field, and the definitions that they share."""
    found: dict[str, JSONSchema] = {each.name: {} for each in wanted}
    adapters = []
    for field in wanted:
        if field.messages:
            found[field.name] = MESSAGES
        elif (adapter := _adapter(field)) is not None:
            adapters.append((field.name, "validation", adapter))
    made, rest = TypeAdapter.json_schemas(adapters)  # type: ignore[arg-type]
    found |= {name: each for (name, _), each in made.items()}
    return found, rest.get("$defs", {})
