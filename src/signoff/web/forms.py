"""A form for each action, made from its JSON Schema.

Fields are named by JSON pointers into the decision, such as ``/values/amount``, which is also how
the one check of answers names what is wrong. What a form cannot ask field by field is asked as
JSON. Nothing is checked here: what does not read as the type that is asked for goes on as it was
typed, and the check says what it should have been.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from markupsafe import Markup
from wtforms import (
    BooleanField,
    Field,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.form import BaseForm

from signoff.domain.errors import FieldError
from signoff.domain.jsontext import pointer
from signoff.pauses.schemas import followed
from signoff.web.form_data import FormData

OMIT: Final = object()
"""The value of a field that is left out."""

MAX_FIELDS = 200
MAX_DEPTH = 8
SHORT = 80
"""Texts of more characters are typed in several lines."""

Schema: TypeAlias = Mapping[str, Any]
Take: TypeAlias = Callable[[], Any]


class Unreadable(Exception):
    """What was typed as JSON is none."""

    def __init__(self, at: str, message: str) -> None:
        super().__init__(message)
        self.error = FieldError(at, message)


@dataclass(slots=True)
class Asked:
    """A part of a form: a field, a group of parts, or a choice between groups.

    `take` is what was typed into it, as JSON.
    """

    kind: str
    label: str
    take: Take
    at: str = ""
    hint: str = ""
    required: bool = False
    control: Field | None = None
    parts: list[Asked] = field(default_factory=list)
    branches: list[tuple[str, str, list[Asked]]] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    id: str = ""

    def widget(self) -> Markup:
        """The field itself, with what is said of it to those who cannot see it."""
        assert self.control is not None
        described = [f"{self.id}-hint"] if self.hint else []
        described += [f"{self.id}-error"] if self.errors else []
        told: dict[str, Any] = {"aria-describedby": " ".join(described)} if described else {}
        if self.errors:
            told["aria-invalid"] = "true"
        return Markup(self.control(**self.attributes, **told))  # noqa: S704 - WTForms escapes  # nosec B704


class ActionForm:
    """What an action asks for, as a form: empty, or with what was typed."""

    def __init__(
        self,
        action: Mapping[str, Any],
        *,
        prefix: str,
        data: FormData | None = None,
        as_json: bool = False,
    ) -> None:
        self.action = action
        self.as_json = as_json
        self._prefix = prefix
        self._fields: list[tuple[str, Any]] = []
        self._defaults: dict[str, Any] = {}
        self._all: list[Asked] = []
        self._form: BaseForm
        self.errors: list[str] = []
        schema = action["schema"]
        self._root: Schema = schema or {}
        self._values: Asked | None = None
        if schema is not None:
            if as_json:
                self._values = self._json("Values", "/values", schema.get("default", OMIT), {})
                self._defaults["/values"] = _pretty(self.example())
            else:
                self._values = self._ask("", "/values", schema, required=True)
        self._bind(data)

    @property
    def parts(self) -> list[Asked]:
        """What is asked, in order."""
        if self._values is None:
            return []
        return [self._values] if self._values.kind != "group" else self._values.parts

    @property
    def has_values(self) -> bool:
        """Whether it asks for more than a note."""
        return self._values is not None

    @property
    def begins_filled(self) -> bool:
        """Whether there is something in it that one may change."""
        return any(value not in ("", False, [], "{}") for value in self._defaults.values())

    def values(self) -> dict[str, Any]:
        """What was typed, as the values of a decision.

        Raises:
            Unreadable: A field for JSON has none.
        """
        taken: Any = OMIT if self._values is None else self._values.take()
        return {} if taken is OMIT else taken

    def example(self) -> Any:
        """The values as the form shows them at first."""
        return ActionForm(self.action, prefix=self._prefix).values()

    def say(self, errors: Iterable[FieldError]) -> list[FieldError]:
        """Put errors to the fields that they are about; those that are about none."""
        rest = []
        for error in errors:
            owners = [each for each in self._all if _within(error.pointer, each.at)]
            if owners:
                owner = max(owners, key=lambda each: len(each.at))
                beyond = error.pointer.removeprefix(owner.at).lstrip("/").replace("/", ".")
                owner.errors.append(f"{beyond} {error.message}" if beyond else error.message)
            else:
                rest.append(error)
        return rest

    # --- building --------------------------------------------------------------------------------

    def _bind(self, data: FormData | None) -> None:
        self._form = BaseForm(self._fields)
        self._form.process(data, data=self._defaults)
        for n, each in enumerate(self._all):
            each.id = f"{self._prefix}-{n}"
            if each.at in self._form:
                each.control = self._form[each.at]
                each.control.id = each.id

    def _add(self, asked: Asked, unbound: Any, default: Any) -> Asked:
        self._fields.append((asked.at, unbound))
        if default is not OMIT:
            self._defaults[asked.at] = default
        self._all.append(asked)
        return asked

    def _typed(self, at: str) -> Any:
        return self._form[at].data

    def _ask(
        self,
        label: str,
        at: str,
        schema: Any,
        *,
        required: bool,
        default: Any = OMIT,
        depth: int = 0,
    ) -> Asked:
        schema, nullable = _resolved(schema, self._root)
        if default is OMIT:
            default = schema.get("default", OMIT)
        label = str(schema.get("title") or label)[:300]
        if "const" in schema:
            return Asked("fixed", label, lambda: schema["const"], at, hint=_said(schema["const"]))
        if depth > MAX_DEPTH or len(self._fields) > MAX_FIELDS:
            return self._json(label, at, default, schema, required=required)
        type_ = schema.get("type")
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            asked = self._enum(label, at, schema, required, nullable, default)
        elif (branches := _branches(schema, self._root)) is not None:
            return self._choice(label, at, branches, depth, default)
        elif type_ == "object" or "properties" in schema:
            return self._object(label, at, schema, required, default, depth)
        elif type_ == "array":
            return self._array(label, at, schema, required, default, depth)
        elif type_ == "boolean":
            asked = self._boolean(label, at, required, nullable, default)
        elif type_ in ("integer", "number"):
            asked = self._number(label, at, schema, required, nullable, default)
        elif type_ == "string":
            asked = self._text(label, at, schema, required, nullable, default)
        elif type_ is None and not any(word in schema for word in ("anyOf", "oneOf", "allOf")):
            return self._anything(label, at, schema, default, required)
        else:
            return self._json(label, at, default, schema, required=required)
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
            further = {n: _like(v) for n, v in given.items() if n not in fields}
            fields |= further
            must |= further.keys()
        if not fields or len(fields) > MAX_FIELDS:
            return self._json(label, at, default, schema, required=required)
        parts = {
            name: self._ask(
                _name(name),
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
        items, _ = _resolved(schema.get("items", {}), self._root)
        if isinstance(prefix, list) and prefix and schema.get("maxItems") == len(prefix):
            return self._sequence(label, at, prefix, given, depth)
        if isinstance(items.get("enum"), list) and len(items["enum"]) <= 50:
            return self._several(label, at, items["enum"], given)
        kinds: set[Any] = (
            {items.get("type")} if "type" in items else {_like(v).get("type") for v in given}
        )
        if len(kinds) == 1 and kinds <= {"string", "integer", "number"}:
            if not any(isinstance(each, str) and "\n" in each for each in given):
                return self._list_of(label, at, kinds.pop(), given, required, schema)
        elif kinds == {"object"} and 0 < len(given) <= 20:
            return self._sequence(label, at, [items or _like(v) for v in given], given, depth)
        return self._json(label, at, default, schema, required=required)

    def _sequence(
        self, label: str, at: str, schemas: Sequence[Any], given: Sequence[Any], depth: int
    ) -> Asked:
        parts = [
            self._ask(
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
        self, label: str, at: str, branches: list[tuple[str, str, Schema]], depth: int, default: Any
    ) -> Asked:
        """One of several forms, told apart by a constant."""
        takes: dict[str, Take] = {}
        asked = Asked("choice", label, lambda: takes[self._typed(at)]() if self._typed(at) else {})
        asked.at = at
        for n, (key, word, schema) in enumerate(branches):
            own = default if isinstance(default, dict) and default.get(key) == word else OMIT
            # A branch's fields are named after it: others may have fields of the same name.
            group = _Branch(self, at, n).ask(schema, own, depth)
            takes[str(n)] = group.take
            fields = [each for each in group.parts if each.kind != "fixed"]
            asked.branches.append((str(n), _name(word), fields))
        choices = [(value, text) for value, text, _ in asked.branches]
        return self._add(asked, RadioField(choices=_offered(choices), validate_choice=False), "0")

    def _text(
        self,
        label: str,
        at: str,
        schema: Schema,
        required: bool,
        nullable: bool,
        default: Any,
    ) -> Asked:
        format_ = schema.get("format")
        given = default if isinstance(default, str) else ""
        longest = schema.get("maxLength")
        long = "\n" in given or len(given) > SHORT or format_ in ("textarea", "multi-line")
        long = long or (isinstance(longest, int) and longest > 4 * SHORT)

        def take() -> Any:
            typed = self._typed(at) or ""
            if format_ == "date-time" and typed:
                typed = _moment(typed)
            if typed or (required and not nullable) or given:
                return typed if typed or not nullable else None
            return None if required else OMIT

        asked = Asked("field", label, take, at)
        types = {"date": "date", "email": "email", "uri": "url", "date-time": "datetime-local"}
        if long:
            lines = sum(len(line) // 60 + 1 for line in given.splitlines())
            asked.attributes = {"rows": min(24, max(4, lines))}
        else:
            asked.attributes = {"type": types.get(str(format_), "text")}
        asked.attributes |= {"dir": "auto"}
        if format_ == "date-time":
            asked.hint = "in UTC"
            given = given[:16]
        return self._add(asked, TextAreaField() if long else StringField(), given)

    def _number(
        self,
        label: str,
        at: str,
        schema: Schema,
        required: bool,
        nullable: bool,
        default: Any,
    ) -> Asked:
        def take() -> Any:
            typed = (self._typed(at) or "").strip()
            if not typed:
                return None if nullable and required else OMIT
            return _number(typed)

        limits = [
            f"{word} {schema[key]}"
            for key, word in (("minimum", "at least"), ("maximum", "at most"))
            if isinstance(schema.get(key), int | float)
        ]
        asked = Asked("field", label, take, at)
        asked.attributes = {
            "inputmode": "numeric" if schema.get("type") == "integer" else "decimal",
            "autocomplete": "off",
            "class": "number",
        }
        told = [str(schema.get("description") or ""), ", ".join(limits)]
        asked.hint = " · ".join(filter(None, told))
        shown = "" if default is OMIT or default is None else json.dumps(default)
        return self._add(asked, StringField(), shown)

    def _boolean(self, label: str, at: str, required: bool, nullable: bool, default: Any) -> Asked:
        if (required or isinstance(default, bool)) and not nullable:
            asked = Asked("check", label, lambda: bool(self._typed(at)), at)
            return self._add(asked, BooleanField(false_values=("",)), default is True)
        values = {"": None if required else OMIT, "true": True, "false": False}
        asked = Asked("field", label, lambda: values.get(self._typed(at) or "", OMIT), at)
        choices = [("", "not said"), ("true", "yes"), ("false", "no")]
        shown = json.dumps(default) if isinstance(default, bool) else ""
        return self._add(
            asked, SelectField(choices=_offered(choices), validate_choice=False), shown
        )

    def _enum(
        self,
        label: str,
        at: str,
        schema: Schema,
        required: bool,
        nullable: bool,
        default: Any,
    ) -> Asked:
        choices = [(json.dumps(each), _said(each)) for each in schema["enum"]]

        def take() -> Any:
            typed = self._typed(at)
            if not typed:
                return None if nullable and required else OMIT
            return json.loads(typed) if typed in dict(choices) else typed

        asked = Asked("field", label, take, at)
        chosen = "" if default is OMIT else json.dumps(default)
        if not required or nullable or chosen not in dict(choices):
            choices.insert(0, ("", "please choose" if required and not nullable else "not said"))
        return self._add(
            asked, SelectField(choices=_offered(choices), validate_choice=False), chosen
        )

    def _several(self, label: str, at: str, enum: Sequence[Any], given: Sequence[Any]) -> Asked:
        choices = [(json.dumps(each), _said(each)) for each in enum]
        known = dict(choices)
        asked = Asked(
            "several",
            label,
            lambda: [json.loads(each) for each in self._typed(at) or () if each in known],
            at,
        )
        field_ = SelectMultipleField(choices=_offered(choices), validate_choice=False)
        return self._add(asked, field_, [json.dumps(each) for each in given])

    def _list_of(
        self,
        label: str,
        at: str,
        kind: str,
        given: Sequence[Any],
        required: bool,
        schema: Schema,
    ) -> Asked:
        def take() -> Any:
            lines = [line.strip() for line in (self._typed(at) or "").split("\n")]
            found = [line if kind == "string" else _number(line) for line in lines if line]
            return found if found or required or given else OMIT

        hint = f"{schema.get('description') or ''} One on each line.".strip()
        asked = Asked("field", label, take, at, hint)
        asked.attributes = {"rows": min(12, max(3, len(given) + 1)), "dir": "auto"}
        return self._add(asked, TextAreaField(), "\n".join(map(_said, given)))

    def _anything(self, label: str, at: str, schema: Schema, default: Any, required: bool) -> Asked:
        """Any JSON: a text, unless one says that it is JSON."""

        def take() -> Any:
            typed = self._typed(at) or ""
            if self._typed(f"{at}#json"):
                return _read_json(typed, at)
            return typed if typed or required else OMIT

        is_text = default is OMIT or isinstance(default, str)
        asked = Asked("anything", label, take, at, str(schema.get("description") or "")[:1000])
        asked.required = required
        asked.attributes = {"rows": 4, "dir": "auto"}
        shown = "" if default is OMIT else default if is_text else _pretty(default)
        self._add(asked, TextAreaField(), shown)
        flag = Asked("check", "This is JSON, such as a number, true or a list", lambda: OMIT)
        flag.at = f"{at}#json"
        asked.parts = [self._add(flag, BooleanField(false_values=("",)), not is_text)]
        return asked

    def _json(
        self, label: str, at: str, default: Any, schema: Schema, *, required: bool = True
    ) -> Asked:
        def take() -> Any:
            typed = (self._typed(at) or "").strip()
            return _read_json(typed, at) if typed or required else OMIT

        hint = " ".join(filter(None, [str(schema.get("description") or "")[:1000], "As JSON."]))
        asked = Asked("field", label or "Values", take, at, hint)
        shown = "{}" if default is OMIT and schema.get("type") == "object" else ""
        shown = shown if default is OMIT else _pretty(default)
        asked.attributes = {
            "rows": min(24, max(4, shown.count("\n") + 2)),
            "class": "code",
            "spellcheck": "false",
        }
        return self._add(asked, TextAreaField(), shown)


class _Branch:
    """Asks for one of several alternatives at the same place."""

    def __init__(self, form: ActionForm, at: str, number: int) -> None:
        self._form = form
        self._at = f"{at}#{number}"
        self._place = at

    def ask(self, schema: Schema, default: Any, depth: int) -> Asked:
        known = len(self._form._all)
        group = self._form._ask(
            "", self._at, schema, required=True, default=default, depth=depth + 1
        )
        group.label = ""
        for asked in self._form._all[known:]:
            asked.attributes["data-place"] = self._place + asked.at.removeprefix(self._at)
        return group


def _offered(choices: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    return [SelectChoice(value, label) for value, label in choices]


def _within(place: str, at: str) -> bool:
    """Whether what is wrong at a place is about the field at `at`, in whichever branch."""
    at = "/".join(step.partition("#")[0] for step in at.split("/"))
    return place == at or place.startswith(f"{at}/")


def _resolved(schema: Any, root: Schema) -> tuple[dict[str, Any], bool]:
    """A schema with its reference followed and null taken out of it; whether null fits too."""
    if not isinstance(schema, dict):
        return {}, False
    beside = {name: part for name, part in schema.items() if name != "$ref"}
    if "$ref" in schema:
        schema = {**followed(schema, dict(root)), **beside}
    if isinstance(all_ := schema.get("allOf"), list) and len(all_) == 1:
        inner, _ = _resolved(all_[0], root)
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
                inner, also = _resolved(plain[0], root)
                outer = {name: part for name, part in schema.items() if name != word}
                schema, nullable = {**inner, **outer}, nullable or also
    return schema, nullable


def _branches(schema: Schema, root: Schema) -> list[tuple[str, str, Schema]] | None:
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


def _like(value: Any) -> dict[str, Any]:
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


def _number(typed: str) -> Any:
    """What was typed as a number; as it is, if it is none."""
    for kind in (int, float):
        try:
            number = kind(typed)
        except ValueError:
            continue
        if number == number and number not in (float("inf"), float("-inf")):
            return number
    return typed


def _moment(typed: str) -> str:
    """A moment with its offset: what browsers send has none, and is in UTC."""
    if len(typed) == len("2026-01-31T09:30"):
        return f"{typed}:00Z"
    return f"{typed}Z" if len(typed) == len("2026-01-31T09:30:00") else typed


def _read_json(typed: str, at: str) -> Any:
    try:
        return json.loads(typed, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise Unreadable(at, f"is no JSON: {error}") from error


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _name(name: str) -> str:
    """A field's name as a label."""
    text = name.replace("_", " ").strip() or name
    return text[:1].upper() + text[1:]
