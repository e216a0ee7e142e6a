"""What requests in the shapes of LangGraph's server have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, NoReturn, TypeAlias

from pydantic import BaseModel, BeforeValidator, StringConstraints, ValidationInfo

from signoff.domain.errors import FieldError, NotSupported


def refuse(name: str, problem: str, *, within: str = "") -> NoReturn:
    """Refuse a field that LangGraph's server knows, and that would not do here what it promises.

    Raises:
        NotSupported: Always.
    """
    raise NotSupported(f"{name} {problem}", [FieldError(f"{within}/{name}", problem)])


def only(*allowed: Any, within: str = "") -> BeforeValidator:
    """A validator that refuses what LangGraph's server would allow besides, at that pointer."""
    shown = " or ".join(str(each).lower() for each in allowed)
    problem = f"can only be {shown}" if allowed else "is not supported"

    def check(value: Any, info: ValidationInfo) -> Any:
        if value is not None and value not in allowed:
            refuse(info.field_name or "", problem, within=within)
        return value

    return BeforeValidator(check)


Unsupported: TypeAlias = Annotated[None, only()]
"""A field that is refused rather than ignored."""


def selected(shown: dict[str, Any], fields: Sequence[str] | None) -> dict[str, Any]:
    """Only some fields of an answer, where ``values.x`` is one value; all unless any are named."""
    if not fields:
        return shown
    chosen = {name: shown[name] for name in fields if name in shown}
    keys = [name.removeprefix("values.") for name in fields if name.startswith("values.")]
    if keys and "values" not in chosen and isinstance(values := shown["values"], dict):
        chosen["values"] = {key: values[key] for key in keys if key in values}
    return chosen


_NAMES = r"[^.\[\]]+(\[-?\d{1,9}\])*"

Path: TypeAlias = Annotated[str, StringConstraints(pattern=rf"^{_NAMES}(\.{_NAMES})*$")]
"""A way into an answer: names with dots between, and places of lists in brackets."""


def extracted(shown: Any, paths: Mapping[str, str]) -> dict[str, Any]:
    """What stands at these paths of an answer, by the names that they have; None for nothing."""
    return {name: _at(shown, _STEP.findall(path)) for name, path in paths.items()}


_STEP = re.compile(r"([^.\[\]]+)|\[(-?\d+)\]")


def _at(shown: Any, steps: Iterable[tuple[str, str]]) -> Any:
    for name, place in steps:
        try:
            shown = shown[int(place) if isinstance(shown, list) else name]
        except (LookupError, TypeError, ValueError):
            return None
    return shown


class CheckpointRef(BaseModel):
    """A place in a thread's history."""

    checkpoint_id: str | None = None
    checkpoint_ns: str = ""


Before: TypeAlias = Annotated[
    str | None,
    BeforeValidator(lambda value: value.get("checkpoint_id") if type(value) is dict else value),
]
"""A checkpoint's id, which may stand in a checkpoint."""
