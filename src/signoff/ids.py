"""Ids: those of requests and runs, and LangGraph's of interrupts."""

from __future__ import annotations

import re
import secrets
import time
from uuid import UUID

_INTERRUPT_ID = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): in the order of time, to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def is_id(text: str) -> bool:
    """Whether `text` is an id in its usual form; no other text can be found in the database."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def is_interrupt_id(text: str) -> bool:
    """Whether LangGraph takes this key of a resume value for the id of an interrupt."""
    return _INTERRUPT_ID.fullmatch(text) is not None
