"""The controls that a single value is asked for with, by its type.

Each gives what was typed as JSON, and OMIT where a value that need not be there is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from wtforms import (
    BooleanField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from signoff.web.forms.fields import OMIT, Asked, Fields
from signoff.web.forms.schema import Schema
from signoff.web.forms.typed import pretty, read_json, read_moment, read_number, said

SHORT = 80
"""Texts of more characters are typed in several lines."""


def text(
    fields: Fields,
    label: str,
    at: str,
    schema: Schema,
    required: bool,
    nullable: bool,
    default: Any,
) -> Asked:
    """A text: in one line or several, a day, a moment, an address."""
    format_ = schema.get("format")
    given = default if isinstance(default, str) else ""
    longest = schema.get("maxLength")
    long = "\n" in given or len(given) > SHORT or format_ in ("textarea", "multi-line")
    long = long or (isinstance(longest, int) and longest > 4 * SHORT)

    def take() -> Any:
        typed = fields.typed(at) or ""
        if format_ == "date-time" and typed:
            typed = read_moment(typed)
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
    return fields.add(asked, TextAreaField() if long else StringField(), given)


def number(
    fields: Fields,
    label: str,
    at: str,
    schema: Schema,
    required: bool,
    nullable: bool,
    default: Any,
) -> Asked:
    """A number, as it was typed if it is none."""

    def take() -> Any:
        typed = (fields.typed(at) or "").strip()
        if not typed:
            return None if nullable and required else OMIT
        return read_number(typed)

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
    return fields.add(asked, StringField(), shown)


def boolean(
    fields: Fields, label: str, at: str, required: bool, nullable: bool, default: Any
) -> Asked:
    """Yes or no; or neither, where that may be left out."""
    if (required or isinstance(default, bool)) and not nullable:
        asked = Asked("check", label, lambda: bool(fields.typed(at)), at)
        return fields.add(asked, BooleanField(false_values=("",)), default is True)
    values = {"": None if required else OMIT, "true": True, "false": False}
    asked = Asked("field", label, lambda: values.get(fields.typed(at) or "", OMIT), at)
    choices = [("", "not said"), ("true", "yes"), ("false", "no")]
    shown = json.dumps(default) if isinstance(default, bool) else ""
    return fields.add(asked, SelectField(choices=offered(choices), validate_choice=False), shown)


def enum(
    fields: Fields,
    label: str,
    at: str,
    schema: Schema,
    required: bool,
    nullable: bool,
    default: Any,
) -> Asked:
    """One of some values."""
    choices = [(json.dumps(each), said(each)) for each in schema["enum"]]

    def take() -> Any:
        typed = fields.typed(at)
        if not typed:
            return None if nullable and required else OMIT
        return json.loads(typed) if typed in dict(choices) else typed

    asked = Asked("field", label, take, at)
    chosen = "" if default is OMIT else json.dumps(default)
    if not required or nullable or chosen not in dict(choices):
        choices.insert(0, ("", "please choose" if required and not nullable else "not said"))
    return fields.add(asked, SelectField(choices=offered(choices), validate_choice=False), chosen)


def several(
    fields: Fields, label: str, at: str, enum: Sequence[Any], given: Sequence[Any]
) -> Asked:
    """Any number of some values."""
    choices = [(json.dumps(each), said(each)) for each in enum]
    known = dict(choices)
    asked = Asked(
        "several",
        label,
        lambda: [json.loads(each) for each in fields.typed(at) or () if each in known],
        at,
    )
    field = SelectMultipleField(choices=offered(choices), validate_choice=False)
    return fields.add(asked, field, [json.dumps(each) for each in given])


def list_of(
    fields: Fields,
    label: str,
    at: str,
    kind: str,
    given: Sequence[Any],
    required: bool,
    schema: Schema,
) -> Asked:
    """A list of texts or numbers, one on each line."""

    def take() -> Any:
        lines = [line.strip() for line in (fields.typed(at) or "").split("\n")]
        found = [line if kind == "string" else read_number(line) for line in lines if line]
        return found if found or required or given else OMIT

    hint = f"{schema.get('description') or ''} One on each line.".strip()
    asked = Asked("field", label, take, at, hint)
    asked.attributes = {"rows": min(12, max(3, len(given) + 1)), "dir": "auto"}
    return fields.add(asked, TextAreaField(), "\n".join(map(said, given)))


def anything(
    fields: Fields, label: str, at: str, schema: Schema, default: Any, required: bool
) -> Asked:
    """Any JSON: a text, unless one says that it is JSON."""

    def take() -> Any:
        typed = fields.typed(at) or ""
        if fields.typed(f"{at}#json"):
            return read_json(typed, at)
        return typed if typed or required else OMIT

    is_text = default is OMIT or isinstance(default, str)
    asked = Asked("anything", label, take, at, str(schema.get("description") or "")[:1000])
    asked.required = required
    asked.attributes = {"rows": 4, "dir": "auto"}
    shown = "" if default is OMIT else default if is_text else pretty(default)
    fields.add(asked, TextAreaField(), shown)
    flag = Asked("check", "This is JSON, such as a number, true or a list", lambda: OMIT)
    flag.at = f"{at}#json"
    asked.parts = [fields.add(flag, BooleanField(false_values=("",)), not is_text)]
    return asked


def as_json(
    fields: Fields, label: str, at: str, default: Any, schema: Schema, *, required: bool = True
) -> Asked:
    """Whatever no other control can ask for."""

    def take() -> Any:
        typed = (fields.typed(at) or "").strip()
        return read_json(typed, at) if typed or required else OMIT

    hint = " ".join(filter(None, [str(schema.get("description") or "")[:1000], "As JSON."]))
    asked = Asked("field", label or "Values", take, at, hint)
    shown = "{}" if default is OMIT and schema.get("type") == "object" else ""
    shown = shown if default is OMIT else pretty(default)
    asked.attributes = {
        "rows": min(24, max(4, shown.count("\n") + 2)),
        "class": "code",
        "spellcheck": "false",
    }
    return fields.add(asked, TextAreaField(), shown)


def offered(choices: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    """Choices of a control: a value and its label each."""
    return [SelectChoice(value, label) for value, label in choices]
