"""Asking a reviewer at a terminal for what an action takes: its values and a note."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click
import typer

from signoff.cli.forms import batch_items, described, item_words, typed_items
from signoff.cli.output import plain
from signoff.pauses.schemas import followed

SCALARS = frozenset({"string", "integer", "number", "boolean", "null"})


def ask_values(action: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The values that an action asks for: field by field, or in an editor where they are nested.

    `before` is what was typed the last time, and is offered again.

    Raises:
        typer.Abort: The reviewer would rather not.
    """
    schema = action["schema"] or {}
    if batch := batch_items(schema):
        return typed_items([_ask_item(n, item) for n, item in enumerate(batch, 1)])
    fields = {
        name: followed(field, schema) or field for name, field in _fields(schema, schema).items()
    }
    if not fields and schema in ({}, {"type": "object"}):
        return {}
    if not fields or not all(_is_scalar(field) for field in fields.values()):
        return _edit(before or {name: _first(field) for name, field in fields.items()})
    required = schema.get("required", ())
    return dict(_typed(fields, required, before))


def ask_note(action: Mapping[str, Any]) -> str | None:
    """The note on a decision; Enter alone sends it without one.

    Raises:
        typer.Abort: The reviewer would rather not.
    """
    label = plain(action["label"])
    if action["note"] == "none":
        typer.prompt(f"{label}: Enter sends, Ctrl-C goes back", default="", show_default=False)
        return None
    while True:
        hint = "" if action["note"] == "required" else ", or Enter to send without"
        note = typer.prompt(f"{label}: a note{hint}", default="", show_default=False).strip()
        if note or action["note"] != "required":
            return note or None


def _fields(schema: Any, root: Any) -> dict[str, Any]:
    """All fields of a form that are for the reviewer to fill in."""
    form = followed(schema, root) or schema
    fields = form.get("properties") if isinstance(form, dict) else None
    return {name: field for name, field in (fields or {}).items() if "const" not in (field or {})}


def _is_scalar(field: Any) -> bool:
    if not isinstance(field, dict):
        return False
    kinds = field.get("type")
    named = {kinds} if isinstance(kinds, str) else set(kinds or ())
    return "enum" in field or (bool(named) and named <= SCALARS)


def _first(field: Any) -> Any:
    return field.get("default") if isinstance(field, dict) else None


def _typed(
    fields: Mapping[str, Any], required: Any, before: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for name, field in fields.items():
        default = before.get(name, field.get("default"))
        offered = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
        must = "" if name in required else ", optional"
        text = typer.prompt(
            f"{plain(name)} ({plain(described(field))}{must})",
            default="" if default is None else plain(offered),
            show_default=default is not None,
        )
        if text or (name in required and field.get("type") == "string"):
            yield name, _value(text, field)


def _value(text: str, field: Mapping[str, Any]) -> Any:
    """What was typed, as the type that is asked for; else as it is, for the check to refuse."""
    if field.get("type") == "string":
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return {"yes": True, "no": False}.get(text, text) if _may_be_true(field) else text
    options = field.get("enum")
    return text if options and value not in options else value


def _may_be_true(field: Mapping[str, Any]) -> bool:
    return "boolean" in (field.get("type") or ())


def _ask_item(number: int, item: Mapping[str, Any]) -> str:
    choices = "/".join(
        {"respond": "respond=...", "reject": "reject[=...]", "edit": "edit={...}"}.get(word, word)
        for word in item_words(item)
    )
    return str(
        typer.prompt(f"{number}. {plain(item['title'])} ({choices})", default=item_words(item)[0])
    )


def _edit(values: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(values, indent=2, ensure_ascii=False)
    while True:
        try:
            changed = click.edit(text, extension=".json")
        except click.ClickException as error:
            typer.echo(error.message)
            changed = None
        if changed is None:
            raise typer.Abort
        try:
            given = json.loads(changed)
            if isinstance(given, dict):
                return given
            problem = "it is no JSON object"
        except ValueError as error:
            problem = f"it is no JSON: {error}"
        typer.confirm(f"{problem}. Edit again?", default=True, abort=True)
        text = changed
