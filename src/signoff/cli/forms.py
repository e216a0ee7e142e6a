"""The actions of a request on the command line: what they ask for, and how that is typed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from signoff.cli.output import lines_of, plain
from signoff.domain.request import Request
from signoff.pauses.schemas import followed

ITEM = "--item"
MESSAGES = frozenset({"reject", "respond"})
DEEPEST = 3
"""Objects within objects that are shown field by field."""


# --- typed --------------------------------------------------------------------------------------


def typed_items(items: Sequence[str]) -> dict[str, Any]:
    """The values of a batch's `submit` for what was typed, an item for each call, in order.

    Raises:
        typer.BadParameter: One of them is no decision.
    """
    return {"decisions": [_decision(item, n) for n, item in enumerate(items, 1)]}


def _decision(item: str, number: int) -> dict[str, Any]:
    word, given, text = item.partition("=")
    if word == "edit":
        return {"type": word, "edited_action": {"args": _args(text, number)}}
    if not given:
        return {"type": word}
    if word not in MESSAGES:
        raise _bad(number, f"{word!r} takes nothing: reject=, respond= and edit= do")
    return {"type": word, "message": text}


def _args(text: str, number: int) -> dict[str, Any]:
    try:
        args = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad(number, f"edit= takes all arguments as a JSON object: {error}") from error
    if not isinstance(args, dict):
        raise _bad(number, "edit= takes all arguments as a JSON object")
    return args


def _bad(number: int, message: str) -> typer.BadParameter:
    return typer.BadParameter(f"item {number}: {message}", param_hint=ITEM)


# --- shown --------------------------------------------------------------------------------------


def action_lines(action: Mapping[str, Any]) -> Iterator[str]:
    """An action, whether it takes a note, and the fields of its form."""
    notes = {"required": "with a note", "none": "without a note"}
    asked = notes.get(action["note"], "a note if you like")
    yield f"  {plain(action['name'])}: {plain(action['label'])}, {asked}"
    schema = action["schema"]
    if schema == {"type": "object"}:
        yield "    any values"
    elif schema:
        fields = list(_fields(schema, schema, "    "))
        yield from fields or lines_of({"values": schema}, "    ")


def command(request: Request, action: Mapping[str, Any]) -> str:
    """A command line that decides, to be copied and filled in."""
    parts = ["signoff", "decide", request.id, plain(action["name"])]
    line = " ".join(map(shlex.quote, parts))
    schema = action["schema"] or {}
    items = batch_items(schema)
    if items:
        line += "".join(f" {ITEM} {_first(item)}" for item in items)
    elif fields := _asked(schema):
        values = ", ".join(f"{json.dumps(n)}: {_begun(field)}" for n, field in fields.items())
        line += f" --values {_quoted(plain(f'{{{values}}}'))}"
    if action["note"] == "required":
        line += " --note '...'"
    return f"{line} --digest {request.digest}"


def _fields(schema: Mapping[str, Any], root: Any, indent: str, depth: int = 1) -> Iterator[str]:
    fields = schema.get("properties")
    if not isinstance(fields, dict):
        return
    required = schema.get("required", ())
    for name, field in fields.items():
        must = "" if name in required else ", optional"
        form = followed(field, root) or field
        if items := _items_of(form):
            yield f"{indent}{plain(name)}: one for each{must}"
            for n, item in enumerate(items, 1):
                yield f"{indent}  {n}. {plain(item['title'])}: {plain(', '.join(item_words(item)))}"
            continue
        yield f"{indent}{plain(name)}: {plain(described(form))}{must}"
        if depth < DEEPEST:
            yield from _fields(form, root, f"{indent}  ", depth + 1)


def described(field: Any) -> str:
    """The type of a form's field in a few words."""
    if not isinstance(field, dict):
        return "anything"
    if "const" in field:
        words = json.dumps(field["const"], ensure_ascii=False)
    elif isinstance(options := field.get("enum"), list):
        words = "one of " + ", ".join(map(str, options))
    elif isinstance(kinds := field.get("type"), str | list):
        words = kinds if isinstance(kinds, str) else " or ".join(map(str, kinds))
    elif isinstance(several := field.get("anyOf") or field.get("oneOf"), list):
        words = " or ".join(dict.fromkeys(described(each) for each in several))
    else:
        words = "a value"
    told = field.get("description") or field.get("title")
    return f"{words} ({told})" if told else words


def _asked(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form that are to be filled in; what may be left out begins with something."""
    fields = schema.get("properties")
    if not isinstance(fields, dict):
        return {}
    required = schema.get("required", ())
    return {
        name: each
        for name, each in fields.items()
        if "const" not in (each or {}) and (name in required or "default" in (each or {}))
    }


def _begun(field: Any) -> str:
    """What a field begins with; dots where that is for the person to say."""
    if isinstance(field, dict) and "default" in field:
        return json.dumps(field["default"], ensure_ascii=False)
    return "..."


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


def batch_items(schema: Mapping[str, Any]) -> list[Any]:
    """What a batch's `submit` asks a decision for, each."""
    fields = schema.get("properties")
    return _items_of(fields.get("decisions")) if isinstance(fields, dict) else []


def _items_of(field: Any) -> list[Any]:
    items = field.get("prefixItems") if isinstance(field, dict) else None
    if not isinstance(items, list) or not all(item_words(item) for item in items):
        return []
    return items


def _first(item: Any) -> str:
    """What is typed for an item, to begin with."""
    word = plain(item_words(item)[0])
    return {"respond": "'respond=...'", "edit": "'edit={...}'"}.get(word, word)


def item_words(item: Any) -> list[str]:
    """The decisions that may be typed for an item; none if it is something else."""
    branches = item.get("oneOf") if isinstance(item, dict) and "title" in item else None
    if not isinstance(branches, list):
        return []
    types = [(branch.get("properties") or {}).get("type") or {} for branch in branches]
    return [each["const"] for each in types if isinstance(each.get("const"), str)]
