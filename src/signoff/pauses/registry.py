"""The kinds of pauses that there are: Signoff's own, and those of installed packages.

A package adds one through the entry-point group `signoff.pauses`. Nothing is looked up before the
first pause is read, or a desk opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from signoff.domain.errors import ConfigError
from signoff.pauses.agent_inbox import AgentInboxKind
from signoff.pauses.ask import AskKind
from signoff.pauses.base import PauseKind
from signoff.pauses.breakpoint import BreakpointKind
from signoff.pauses.choice import ChoiceKind
from signoff.pauses.form import FormKind
from signoff.pauses.question import QuestionKind
from signoff.pauses.tool_approval import ToolApprovalKind
from signoff.pauses.tool_batch import ToolBatchKind

GROUP = "signoff.pauses"
"""The group of entry points; each names a subclass of `PauseKind`."""

FIRST: tuple[PauseKind, ...] = (AskKind(),)
"""Read before anything that a package adds: its envelope is nobody else's."""

BARE: tuple[PauseKind, ...] = (
    ToolApprovalKind(),
    ToolBatchKind(),
    AgentInboxKind(),
    FormKind(),
    ChoiceKind(),
    BreakpointKind(),
)
"""How graphs pause that know nothing of Signoff, those told apart most surely first; a breakpoint
is never read from an interrupt."""

LAST = QuestionKind()
"""Whatever is none of the others."""


@cache
def kinds() -> Mapping[str, PauseKind]:
    """All kinds by their names, in the order in which they are tried.

    Raises:
        ConfigError: A package has added one that cannot be used.
    """
    own = (*FIRST, *BARE, LAST)
    taken = {kind.name: "Signoff" for kind in own}
    added: list[PauseKind] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        kind = _load(point)
        if kind.name in taken:
            raise ConfigError(
                f"{_named(point)} adds the kind {kind.name!r}, which {taken[kind.name]} has already"
            )
        taken[kind.name] = _named(point)
        added.append(kind)
    return {kind.name: kind for kind in (*FIRST, *added, *BARE, LAST)}


def kind_named(name: str) -> PauseKind:
    """The kind of this name.

    Raises:
        ConfigError: No package that is installed here has it.
    """
    kind = kinds().get(name)
    if kind is None:
        raise ConfigError(
            f"There is no kind of pause {name!r} here: the package that adds it is not installed."
        )
    return kind


def is_own(kind: PauseKind) -> bool:
    """Whether it is one of Signoff's."""
    return kind is LAST or kind in FIRST or kind in BARE


def _load(point: EntryPoint) -> PauseKind:
    try:
        found = point.load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{_named(point)} cannot be loaded: {reason}") from error
    if not isinstance(found, type) or not issubclass(found, PauseKind):
        raise ConfigError(f"{_named(point)} is no subclass of signoff.pauses.PauseKind")
    try:
        kind = found()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{_named(point)} cannot be made: {reason}") from error
    name = getattr(kind, "name", None)
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(f"{_named(point)} has no name that is fit for a kind: {name!r}")
    return kind


def _named(point: EntryPoint) -> str:
    package = f" of {point.dist.name}" if point.dist is not None else ""
    return f"the entry point {point.name} = {point.value} in {GROUP}{package}"
