"""Traces by OpenTelemetry. Nothing imports this where they are off.

If the program around has set up OpenTelemetry, spans go where it sends its own. Otherwise they are
sent by OTLP over HTTP, as the environment variables `OTEL_*` say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from signoff.log import bound
from signoff.tracing.spans import CallSpan

_PROPAGATOR = TraceContextTextMapPropagator()


def provider() -> tuple[trace.TracerProvider, TracerProvider | None]:
    """Where spans go; and that again, if it was made here and is to be closed."""
    known = trace.get_tracer_provider()
    if not isinstance(known, trace.ProxyTracerProvider):
        return known, None
    about = {SERVICE_NAME: "signoff", SERVICE_VERSION: version("signoff")}
    named = OTELResourceDetector().detect()  # what the environment says wins
    made = TracerProvider(resource=Resource.create(about).merge(named))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(made)
    return made, made


class OpenTelemetry:
    """Spans of this process."""

    def __init__(self) -> None:
        given, self._made = provider()
        self._tracer = given.get_tracer("signoff", version("signoff"))

    @contextmanager
    def span(
        self,
        name: str,
        /,
        *,
        parent: str | None = None,
        links: Iterable[str | None] = (),
        begins: bool = False,
        **about: Any,
    ) -> Iterator[None]:
        """See `signoff.tracing.spans.Traces`."""
        found = [_context(link) for link in dict.fromkeys(links) if link is not None]
        with self._tracer.start_as_current_span(
            name,
            context=_parent(parent) if begins else None,
            kind=SpanKind.CONSUMER if begins else SpanKind.INTERNAL,
            links=[Link(each) for each in found if each.is_valid],
            attributes={f"signoff.{key}": value for key, value in about.items() if value},
            record_exception=False,  # its text may have anything in it
            set_status_on_exception=False,
        ) as span:
            try:
                with bound(trace_id=_trace_id(span)):
                    yield
            except Exception as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise

    @contextmanager
    def call(self, headers: Mapping[str, str]) -> Iterator[CallSpan | None]:
        """See `signoff.tracing.spans.Traces`."""
        context = _PROPAGATOR.extract(dict(headers), Context())
        with self._tracer.start_as_current_span(
            "call",
            context=context,
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            def answered(method: str, route: str | None, status: int, _seconds: float) -> None:
                span.update_name(f"{method} {route}" if route else method)
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.response.status_code", status)
                if route:  # never the path, which may have a token in it
                    span.set_attribute("http.route", route)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)

            with bound(trace_id=_trace_id(span)):
                yield answered

    def here(self) -> str | None:
        """See `signoff.tracing.spans.Traces`."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get("traceparent")

    def link(self, to: str | None) -> None:
        """See `signoff.tracing.spans.Traces`; a second time changes nothing."""
        context = None if to is None else _context(to)
        span = trace.get_current_span()
        if context is None or not context.is_valid:
            return
        known = {each.context.span_id for each in getattr(span, "links", ())}
        if context.span_id not in known:
            span.add_link(context)

    def failed(self) -> None:
        """See `signoff.tracing.spans.Traces`."""
        trace.get_current_span().set_status(StatusCode.ERROR)

    async def close(self) -> None:
        """See `signoff.tracing.spans.Traces`."""
        if self._made is not None:
            # Not among the event loop's threads: nodes that do not end may hold all of those.
            with ThreadPoolExecutor(1) as thread:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(thread, self._made.shutdown)


def _parent(traceparent: str | None) -> Context:
    """Where a span belongs that begins anew: not to what has happened to make it."""
    carrier = {} if traceparent is None else {"traceparent": traceparent}
    return _PROPAGATOR.extract(carrier, Context())


def _context(traceparent: str) -> trace.SpanContext:
    return trace.get_current_span(_parent(traceparent)).get_span_context()


def _trace_id(span: Span) -> str:
    return trace.format_trace_id(span.get_span_context().trace_id)
