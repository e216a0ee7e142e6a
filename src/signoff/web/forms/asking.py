"""What a JSON Schema asks for, as parts of a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wtforms import RadioField

from signoff.domain.jsontext import pointer
from signoff.web.forms import controls
from signoff.web.forms.fields import OMIT, Asked, Fields, Take
from signoff.web.forms.schema import Schema, branches, like, resolved
from signoff.web.forms.typed import label_of, said

MAX_FIELDS = 200
MAX_DEPTH = 8


class Asking:
    """Asks for values of one JSON Schema with some fields."""

    def __init__(self, fields: Fields, root: Schema) -> None:
        self._fields = fields
        self._root = root

    def ask(
        self,
        label: str,
        at: str,
        schema: Any,
        *,
        required: bool,
        default: Any = OMIT,
        depth: int = 0,
    ) -> Asked:
        """Ask for a value of a schema, which belongs at `at` and whose name is the label."""
        schema, nullable = resolved(schema, self._root)
        if default is OMIT:
            default = schema.get("default", OMIT)
        label = str(schema.get("title") or label)[:300]
        if "const" in schema:
            return Asked("fixed", label, lambda: schema["const"], at, hint=said(schema["const"]))
        if depth > MAX_DEPTH or len(self._fields) > MAX_FIELDS:
            return controls.as_json(self._fields, label, at, default, schema, required=required)
        type_ = schema.get("type")
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            asked = controls.enum(self._fields, label, at, schema, required, nullable, default)
        elif (alternatives := branches(schema, self._root)) is not None:
            return self._choice(label, at, alternatives, depth, default)
        elif type_ == "object" or "properties" in schema:
            return self._object(label, at, schema, required, default, depth)
        elif type_ == "array":
            return self._array(label, at, schema, required, default, depth)
        elif type_ == "boolean":
            asked = controls.boolean(self._fields, label, at, required, nullable, default)
        elif type_ in ("integer", "number"):
            asked = controls.number(self._fields, label, at, schema, required, nullable, default)
        elif type_ == "string":
            asked = controls.text(self._fields, label, at, schema, required, nullable, default)
        elif type_ is None and not any(word in schema for word in ("anyOf", "oneOf", "allOf")):
            return controls.anything(self._fields, label, at, schema, default, required)
        else:
            return controls.as_json(self._fields, label, at, default, schema, required=required)
        asked.hint = asked.hint or str(schema.get("description") or "")[:1000]
        asked.required = required and not nullable
        return asked

    def _object(
        self, label: str, at: str, schema: Schema, required: bool, default: Any, depth: int
    ) -> Asked:
        known = schema.get("properties")
        fields = dict(known) if isinstance(known, dict) else {}
        given = default if isinstance(default, dict) else {}
        must = set(schema.get("required") or ())
        if schema.get("additionalProperties") is not False:
            further = {n: like(v) for n, v in given.items() if n not in fields}
            fields |= further
            must |= further.keys()
        if not fields or len(fields) > MAX_FIELDS:
            return controls.as_json(self._fields, label, at, default, schema, required=required)
        parts = {
            name: self.ask(
                label_of(name),
                at + pointer(name),
                each,
                required=name in must,
                default=given.get(name, OMIT),
                depth=depth + 1,
            )
            for name, each in fields.items()
        }

        def take() -> Any:
            taken = {name: part.take() for name, part in parts.items()}
            taken = {name: value for name, value in taken.items() if value is not OMIT}
            fixed = all(parts[name].kind == "fixed" for name in taken)
            return OMIT if fixed and not required else taken

        group = Asked("group", label, take, at, str(schema.get("description") or "")[:1000])
        group.parts = list(parts.values())
        return group

    def _array(
        self, label: str, at: str, schema: Schema, required: bool, default: Any, depth: int
    ) -> Asked:
        given = default if isinstance(default, list) else []
        prefix = schema.get("prefixItems")
        items, _ = resolved(schema.get("items", {}), self._root)
        if isinstance(prefix, list) and prefix and schema.get("maxItems") == len(prefix):
            return self._sequence(label, at, prefix, given, depth)
        if isinstance(items.get("enum"), list) and len(items["enum"]) <= 50:
            return controls.several(self._fields, label, at, items["enum"], given)
        kinds: set[Any] = (
            {items.get("type")} if "type" in items else {like(v).get("type") for v in given}
        )
        if len(kinds) == 1 and kinds <= {"string", "integer", "number"}:
            if not any(isinstance(each, str) and "\n" in each for each in given):
                return controls.list_of(
                    self._fields, label, at, kinds.pop(), given, required, schema
                )
        elif kinds == {"object"} and 0 < len(given) <= 20:
            return self._sequence(label, at, [items or like(v) for v in given], given, depth)
        return controls.as_json(self._fields, label, at, default, schema, required=required)

    def _sequence(
        self, label: str, at: str, schemas: Sequence[Any], given: Sequence[Any], depth: int
    ) -> Asked:
        parts = [
            self.ask(
                f"{n + 1}",
                f"{at}/{n}",
                each,
                required=True,
                default=given[n] if n < len(given) else OMIT,
                depth=depth + 1,
            )
            for n, each in enumerate(schemas)
        ]
        group = Asked("group", label, lambda: [part.take() for part in parts], at)
        group.parts = parts
        return group

    def _choice(
        self,
        label: str,
        at: str,
        alternatives: list[tuple[str, str, Schema]],
        depth: int,
        default: Any,
    ) -> Asked:
        """One of several forms, told apart by a constant."""
        takes: dict[str, Take] = {}
        asked = Asked(
            "choice",
            label,
            lambda: takes[self._fields.typed(at)]() if self._fields.typed(at) else {},
        )
        asked.at = at
        for n, (key, word, schema) in enumerate(alternatives):
            own = default if isinstance(default, dict) and default.get(key) == word else OMIT
            # A branch's fields are named after it: others may have fields of the same name.
            group = self._branch(at, n, schema, own, depth)
            takes[str(n)] = group.take
            fields = [each for each in group.parts if each.kind != "fixed"]
            asked.branches.append((str(n), label_of(word), fields))
        choices = [(value, text) for value, text, _ in asked.branches]
        return self._fields.add(
            asked, RadioField(choices=controls.offered(choices), validate_choice=False), "0"
        )

    def _branch(self, at: str, number: int, schema: Schema, default: Any, depth: int) -> Asked:
        """One of several alternatives at the same place."""
        own = f"{at}#{number}"
        known = len(self._fields.asked)
        group = self.ask("", own, schema, required=True, default=default, depth=depth + 1)
        group.label = ""
        for asked in self._fields.asked[known:]:
            asked.attributes["data-place"] = at + asked.at.removeprefix(own)
        return group
