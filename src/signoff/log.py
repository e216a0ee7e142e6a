"""Logging, as a library should: through whatever the program around it has set up.

Where structlog is configured, as in Signoff's own commands, lines go through that. Elsewhere they
are plain lines of the standard library's loggers under `signoff`: a program that has not set up
any logging hears of warnings, on standard error, and of nothing below them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars, clear_contextvars, get_contextvars
from structlog.typing import EventDict, WrappedLogger


class Logger:
    """A logger of structlog; which one, is seen at each line."""

    def __init__(self, name: str) -> None:
        self._configured = structlog.get_logger(name)
        self._plain = structlog.wrap_logger(
            logging.getLogger(name),
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.contextvars.merge_contextvars,
                _line,
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
        )

    def __getattr__(self, method: str) -> Any:
        return getattr(self._configured if structlog.is_configured() else self._plain, method)


def get_logger(name: str) -> Any:
    """The logger of a module."""
    return Logger(name)


@contextmanager
def bound(**about: str) -> Iterator[None]:
    """Have each line that is logged in here say what it is about, also those of other libraries."""
    with bound_contextvars(**about):
        yield


def begin_anew() -> None:
    """Have this task's lines say nothing of what had it made."""
    clear_contextvars()


def call_id() -> str | None:
    """The id of the HTTP call that is under way here."""
    found: str | None = get_contextvars().get("call_id")
    return found


def _line(_: WrappedLogger, __: str, event: EventDict) -> tuple[tuple[str], dict[str, Any]]:
    """What the standard library's loggers are called with: one line, and an exception behind it."""
    said, exc_info = [str(event.pop("event"))], event.pop("exc_info", None)
    trace = event.pop("exception", None)
    said += [f"{name}={value!s}" for name, value in event.items()]
    message = " ".join(said)
    text = f"{message}\n{trace}" if trace else message
    # A lone surrogate, as an exception of a graph may have, is in the way of whoever writes lines.
    return (text.encode(errors="backslashreplace").decode(),), {"exc_info": exc_info}
