"""Who acts, and how far they may go."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from signoff.domain.errors import InvalidInput

SYSTEM = "system"
"""The principal of what the desk does by itself."""

GROUP = "group:"
"""What the name of a group begins with where people are named; no principal's does."""

KEY = "key:"
"""What the name of a principal begins with that is an API key; no user's does."""

DEV = "dev"
"""How those are known who are alone with their machine."""

LINK = "link"
"""How those are known who come by the link of a message."""

MAX_PRINCIPAL = 255
"""The longest name of a principal, in characters."""


class Role(StrEnum):
    """How far somebody may go. Each role may do what those before it may."""

    VIEWER = "viewer"
    """Look at everything."""
    REVIEWER = "reviewer"
    """Decide, as far as the policies admit them."""
    OPERATOR = "operator"
    """Start and cancel runs, keep threads, try again what failed."""
    ADMIN = "admin"
    """Write a thread's state; look at what happened to users, keys and policies."""

    def includes(self, other: Role) -> bool:
        """Whether somebody of this role may do what one of the `other` may."""
        return _ORDER[self] >= _ORDER[other]


_ORDER = {role: number for number, role in enumerate(Role)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who acts: a user, an API key, or whoever an application of one's own says it is.

    `graphs` limits them to what belongs to these graphs; None is all. `groups` are those that they
    are in besides the ones that the desk knows of. `method` is how it is known who they are, and
    `signed_in_at` since when, for those who sign in.
    """

    name: str
    role: Role = Role.REVIEWER
    graphs: frozenset[str] | None = None
    groups: frozenset[str] = frozenset()
    method: str = "application"
    signed_in_at: datetime | None = None

    def __post_init__(self) -> None:
        check_principal(self.name)

    @property
    def is_key(self) -> bool:
        """Whether it is an API key that acts, also where it acts as a user."""
        return self.method.startswith("key ")

    def sees(self, graph: str | None) -> bool:
        """Whether they may know of what belongs to a graph; None is what belongs to none yet."""
        return self.graphs is None or graph in self.graphs


def within(one: Collection[str] | None, other: Collection[str] | None) -> frozenset[str] | None:
    """What two limits leave together, where None is no limit."""
    if one is None or other is None:
        given = other if one is None else one
        return None if given is None else frozenset(given)
    return frozenset(one) & frozenset(other)


def check_principal(name: str) -> str:
    """`name`, if a principal can have it.

    Raises:
        InvalidInput: It is no text, empty, longer than 255 characters, has control characters or
            spaces around it, is the name kept for the desk itself, or that of a group.
    """
    given: object = name
    if (
        not isinstance(given, str)
        or not 0 < len(given) <= MAX_PRINCIPAL
        or not given.isprintable()
        or given != given.strip()
    ):
        raise InvalidInput(
            f"a principal has 1 to {MAX_PRINCIPAL} printable characters, not {given!r:.300}"
        )
    if name == SYSTEM:
        raise InvalidInput(f"the name {SYSTEM!r} is kept for what the desk does by itself")
    if name.startswith(GROUP):
        raise InvalidInput(f"{name!r} is a group: somebody in it acts, by their own name")
    return name


def check_user(name: str) -> str:
    """`name`, if a user can have it: a principal's that is none of an API key.

    Raises:
        InvalidInput: It is not.
    """
    if name.startswith(KEY):
        raise InvalidInput(f"{name!r} is the name of an API key: users have others")
    return check_principal(name)
