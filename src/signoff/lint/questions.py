"""Rules on what `ask()` and its like are given, as far as it stands there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from signoff.domain.errors import InvalidPolicy
from signoff.domain.jsontext import MAX_TITLE
from signoff.domain.policy import FIELDS, Policy, is_group
from signoff.domain.principal import GROUP
from signoff.lint.finding import Flaw
from signoff.lint.source import ACTION, ASK, ONCE, Source, own

NO_JSON = frozenset(
    {
        *("set", "frozenset", "tuple", "bytes", "bytearray", "complex", "object", "range", "iter"),
        *("datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta"),
        *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today"),
        *("decimal.Decimal", "uuid.UUID", "uuid.uuid4", "pathlib.Path"),
    }
)
"""What makes something that is no JSON."""

DEFAULT_ACTIONS = ("approve", "reject")


def no_json(source: Source) -> Iterator[Flaw]:
    """`ask()` refuses at once what cannot be kept as it is."""
    for call in source.calls(ASK):
        shown = _given(call, "show")
        if shown is not None:
            for node, what in _not_json(source, shown):
                yield Flaw(node, "SO201", f"{what} is no JSON, which is what can be shown")


def _not_json(source: Source, node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    match node:
        case ast.Dict(keys=keys, values=values):
            for key in keys:
                if isinstance(key, ast.Constant) and not isinstance(key.value, str):
                    yield key, f"the key {key.value!r}"
            for value in values:
                yield from _not_json(source, value)
        case ast.List(elts=elements):
            for element in elements:
                yield from _not_json(source, element)
        case ast.Set() | ast.SetComp():
            yield node, "a set"
        case ast.Tuple():
            yield node, "a tuple"
        case ast.Lambda():
            yield node, "a function"
        case ast.GeneratorExp():
            yield node, "a generator"
        case ast.Constant(value=bytes() | complex() as value):
            yield node, repr(value)
        case ast.Constant(value=value) if value is ...:
            yield node, "..."
        case ast.Call(func=called) if source.name(called) in NO_JSON:
            yield node, f"{ast.unparse(called)}()"


# --- SO202, SO203: actions ---------------------------------------------------------------------


def actions(source: Source) -> Iterator[Flaw]:
    """A reviewer needs choices that differ; the deadline takes one of them."""
    for call in source.calls(ASK):
        given = _given(call, "actions")
        names: list[str | None] = [*DEFAULT_ACTIONS]
        if given is not None:
            if isinstance(given, ast.List | ast.Tuple) and not given.elts:
                yield Flaw(given, "SO202", "there are no actions to choose from")
                continue
            listed = given.elts if isinstance(given, ast.List | ast.Tuple) else [given]
            names = [_action_name(source, each) for each in listed]
            for n, (name, node) in enumerate(zip(names, listed, strict=True)):
                if name is not None and name in names[:n]:
                    yield Flaw(node, "SO202", f"the action {name!r} is there already")
        fallback = _given(call, "otherwise")
        chosen = None if fallback is None else _fallback_name(fallback)
        if fallback is not None and chosen is not None and not {chosen, None} & {*names}:
            known = ", ".join(map(repr, names))
            yield Flaw(fallback, "SO203", f"otherwise is {chosen!r}; the actions are {known}")


def _action_name(source: Source, node: ast.expr) -> str | None:
    """The name of an action; None if it does not stand there."""
    if isinstance(node, ast.Call) and source.name(node.func) in ACTION:
        named = node.args[0] if node.args else _given(node, "name")
        return None if named is None else _text(named)
    return _text(node)


def _fallback_name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None and _text(key) == "action":
                return _text(value)
    return _text(node)


# --- SO204, SO205: policies --------------------------------------------------------------------


def policies(source: Source) -> Iterator[Flaw]:
    """What a policy cannot say, by the words of the policy itself."""
    for call in source.calls(ASK):
        read, nodes = Policy(), {}
        for keyword in call.keywords:
            if keyword.arg not in FIELDS or (value := _literal(keyword.value)) is None:
                continue
            nodes[keyword.arg] = keyword.value
            try:
                read = read.over(Policy.read({keyword.arg: value}, source=""))
            except InvalidPolicy as error:
                yield Flaw(keyword.value, "SO204", error.message)
        for problem in read.problems():
            name, _, rest = problem.pointer.removeprefix("/").partition("/")
            where = f"{name}.{rest.replace('/', '.')}" if rest else name
            yield Flaw(nodes[name], "SO204", f"{where} {problem.message}")


def strange_groups(source: Source) -> Iterator[Flaw]:
    """A request for a group without anybody in it waits for ever."""
    if source.groups is None:
        return
    for call in source.calls(ASK):
        for keyword in call.keywords:
            for node in _texts(keyword.value) if keyword.arg in ("to", "escalate") else ():
                name = str(node.value)
                if is_group(name) and name.removeprefix(GROUP) not in source.groups:
                    yield Flaw(node, "SO205", f"nobody in signoff.toml is in {name!r}")


def _texts(node: ast.AST) -> Iterator[ast.Constant]:
    """The texts that stand in an expression as they are."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node
    elif not isinstance(node, ast.JoinedStr):
        for part in ast.iter_child_nodes(node):
            yield from _texts(part)


# --- SO206, SO207: names and keys --------------------------------------------------------------


def names(source: Source) -> Iterator[Flaw]:
    """A question, an action and an effect go by a name."""
    for functions, keyword, what in (
        (ASK, "title", "a question has a title"),
        (ACTION, "name", "an action has a name"),
        (ONCE, "key", "an effect has a key"),
    ):
        for call in source.calls(functions):
            if any(isinstance(each, ast.Starred) for each in call.args) or any(
                each.arg is None for each in call.keywords
            ):
                continue
            named = call.args[0] if call.args else _given(call, keyword)
            text = "" if named is None else _text(named)
            if text is not None and not text.strip():
                yield Flaw(call, "SO206", f"{what}, by which it is known")
            elif text is not None and keyword == "title" and len(text) > MAX_TITLE:
                yield Flaw(call, "SO206", f"{what} of at most {MAX_TITLE} characters")


def keys_in_loops(source: Source) -> Iterator[Flaw]:
    """What has the same key runs once: the later rounds are given the first one's result."""
    for function in source.functions:
        for node in own(function):
            if not isinstance(node, ast.For | ast.AsyncFor | ast.While):
                continue
            for call in own(node):
                if not isinstance(call, ast.Call) or source.name(call.func) not in ONCE:
                    continue
                if call.args and (key := _text(call.args[0])) is not None:
                    yield Flaw(
                        call,
                        "SO207",
                        f"{key!r} is the key of every round: only the first one happens",
                    )


# --- what stands there -------------------------------------------------------------------------


def _given(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _literal(node: ast.expr) -> Any:
    """The value of an expression; None if it does not stand there."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
