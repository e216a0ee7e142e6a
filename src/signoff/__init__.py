"""The human sign-off desk for LangGraph.

A node asks with `ask()` and acts with `once()`; `Signoff` is the desk. Importing this package loads
no server, no database driver and not even LangGraph: what is costly comes when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signoff.ask import Action, Decision, ask
from signoff.domain import errors
from signoff.domain.errors import SignoffError
from signoff.domain.principal import Principal, Role
from signoff.once import once

if TYPE_CHECKING:
    from signoff.desk import Signoff

    __version__: str

__all__ = [
    "Action",
    "Decision",
    "Principal",
    "Role",
    "Signoff",
    "SignoffError",
    "__version__",
    "ask",
    "errors",
    "once",
]


def __getattr__(name: str) -> Any:
    if name == "Signoff":
        from signoff.desk import Signoff

        return Signoff
    if name == "__version__":
        from importlib.metadata import version

        return version("signoff")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
