"""How long somebody stays signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRules:
    """When a session ends, and how old its token becomes."""

    idle: timedelta = timedelta(hours=8)
    """How long it goes on without anybody doing something."""
    longest: timedelta = timedelta(days=7)
    """How long it goes on in any case."""
    rotation: timedelta = timedelta(hours=1)
    """How old a token may become before it is replaced."""
