"""Who acts."""

from __future__ import annotations

from signoff.domain.errors import InvalidInput

SYSTEM = "system"
"""The principal of what the desk does by itself."""

GROUP = "group:"
"""What the name of a group begins with where people are named; no principal's does."""

MAX_PRINCIPAL = 255
"""The longest name of a principal, in characters."""


def check_principal(name: str) -> str:
    """`name`, if a principal can have it.

    Raises:
        InvalidInput: It is empty, longer than 255 characters, has control characters or spaces
            around it, is the name kept for the desk itself, or that of a group.
    """
    if not name or len(name) > MAX_PRINCIPAL or not name.isprintable() or name != name.strip():
        raise InvalidInput(
            f"a principal has 1 to {MAX_PRINCIPAL} printable characters, not {name[:300]!r}"
        )
    if name == SYSTEM:
        raise InvalidInput(f"the name {SYSTEM!r} is kept for what the desk does by itself")
    if name.startswith(GROUP):
        raise InvalidInput(f"{name!r} is a group: somebody in it acts, by their own name")
    return name
