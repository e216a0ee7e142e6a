"""Logs, on standard error: lines for people in a terminal, JSON lines anywhere else."""

from __future__ import annotations

import io
import logging
import re
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

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
        _without_controls,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=_plain_traceback
        ),
    ]


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal obeys, in place of showing it."""


def _shown(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _without_controls(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Graphs and callers have a say in what is logged, and none in what a terminal does."""
    return {
        name: _shown(value) if isinstance(value, str) else value for name, value in event.items()
    }


def _plain_traceback(out: TextIO, exc_info: ExcInfo) -> None:
    plain = io.StringIO()
    structlog.dev.plain_traceback(plain, exc_info)
    out.write(_shown(plain.getvalue()))


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
