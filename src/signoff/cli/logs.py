"""Logs, on standard error: lines for people in a terminal, JSON lines anywhere else."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from signoff.cli.errors import without_secrets

QUIET = {"procrastinate": logging.WARNING, "uvicorn": logging.WARNING, "asyncio": logging.WARNING}
"""Whose everyday messages nobody wants."""


def configure(level: str, format: str = "auto") -> None:
    """Log what is at `level` or above, of Signoff and of all libraries; once per process.

    In JSON lines or as text, or as fits where they go.
    """
    as_text = format == "text" or (format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _WithoutSecrets(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_for_people() if as_text else _for_programs()),
            ],
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, least in QUIET.items():
        if level != "debug":
            logging.getLogger(name).setLevel(least)


class _WithoutSecrets(structlog.stdlib.ProcessorFormatter):
    """Masks what looks like a password, wherever in a message it came from."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def _for_people() -> list[Processor]:
    # Plain tracebacks: the colourful ones print local variables, and with them what they hold.
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _for_programs() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        _message_first,
        structlog.processors.JSONRenderer(default=str),
    ]


def _message_first(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The time, the level, the message and what it is about first: one looks for these."""
    first = (
        *("timestamp", "level", "event", "logger"),
        *("call_id", "thread_id", "run_id", "request_id"),
    )
    return {
        **{name: event[name] for name in first if name in event},
        **{name: value for name, value in event.items() if name not in first},
    }
