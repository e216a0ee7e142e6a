"""Who acts in the call under way: what a name alone does not say of them.

Services are told a name, as programs give one. Where the API has found out who calls, their groups
and how they are known stand here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from signoff.domain.principal import Principal

_acting: ContextVar[Principal | None] = ContextVar("signoff_acting", default=None)


@contextmanager
def acting(principal: Principal) -> Iterator[None]:
    """Have this principal act until the end of the context."""
    token = _acting.set(principal)
    try:
        yield
    finally:
        _acting.reset(token)


def known(name: str) -> Principal | None:
    """The principal of this name, if it is the one who acts."""
    principal = _acting.get()
    return principal if principal is not None and principal.name == name else None


def method(name: str) -> str | None:
    """How it is known that it is whoever has this name who acts; None where nobody has asked."""
    principal = known(name)
    return None if principal is None else principal.method


def graphs() -> frozenset[str] | None:
    """The graphs that whoever acts is limited to; None is no limit."""
    principal = _acting.get()
    return None if principal is None else principal.graphs
