"""Traces: what leads to what, over processes and days.

Where they are off, nothing is loaded for them.
"""

from __future__ import annotations

from signoff.config import Settings
from signoff.domain.errors import ConfigError
from signoff.tracing.spans import OFF, Traces


def traces_of(settings: Settings) -> Traces:
    """Where the spans of a process go.

    Raises:
        ConfigError: They are to be sent, and OpenTelemetry is not installed.
    """
    if not settings.tracing:
        return OFF
    try:
        from signoff.tracing.opentelemetry import OpenTelemetry
    except ImportError as error:
        raise ConfigError(
            f"`tracing` takes OpenTelemetry: pip install 'signoff[otel]' ({error})"
        ) from error
    return OpenTelemetry()
