"""A `typing.TypedDict` in a form that Pydantic reads, which before Python 3.12 it does not."""

from __future__ import annotations

import types
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import typing_extensions
from pydantic import ConfigDict

_MAKE: Any = typing_extensions.TypedDict


def readable(hint: Any, inside: frozenset[Any] = frozenset()) -> Any:
    """A type with each `TypedDict` in it in a form that Pydantic reads; others stay as they are.

    As in Python, such a dict may have more keys than its type says. One that contains itself is
    read as any value where it does.
    """
    if is_typeddict(hint):
        return Any if hint in inside else _typed_dict(hint, inside | {hint})
    origin, given = get_origin(hint), get_args(hint)
    if origin is None or origin is Literal:
        return hint
    if origin is Annotated:
        return Annotated[(readable(given[0], inside), *given[1:])]
    made = tuple(readable(each, inside) for each in given)
    if all(new is old for new, old in zip(made, given, strict=True)):
        return hint
    if origin in (Union, types.UnionType):
        return Union[made]  # noqa: UP007
    return types.GenericAlias(origin, made)


def _typed_dict(hint: Any, inside: frozenset[Any]) -> Any:
    members: dict[str, Any] = {}
    for name, each in get_type_hints(hint, include_extras=True).items():
        needed = name in hint.__required_keys__
        if get_origin(each) in (Required, NotRequired):
            needed, [each] = get_origin(each) is Required, get_args(each)
        made = readable(each, inside)
        members[name] = made if needed else NotRequired[made]
    read: Any = _MAKE(hint.__name__, members)
    read.__doc__ = hint.__doc__
    read.__pydantic_config__ = ConfigDict(extra="allow")
    return read
