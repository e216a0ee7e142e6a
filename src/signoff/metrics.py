"""Figures in the form that Prometheus reads.

What stands in the database is the same wherever it is asked for: of these, one process's word is
enough. What a process counts of itself (calls, runs that it executed, its connections) adds up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from starlette.types import Scope

from signoff.domain.run import Run, RunStatus
from signoff.service.measure import TO_DECIDE, TO_DELIVER, Figures, Measure, Spread
from signoff.service.office import Office

NONE = "none"
"""The route of a call that has none: whatever was asked for, it is one line."""

CALL_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
RUN_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

STATES = {
    "request.opened": "open",
    "request.decided": "decided",
    "request.expired": "expired",
    "request.withdrawn": "withdrawn",
    "request.superseded": "superseded",
}
"""What the audit calls it when a request comes to a state."""

RESULTS = {"request.delivered": "delivered", "request.delivery_failed": "failed"}


class Desk(Protocol):
    """A desk, which is open by the time that somebody asks."""

    @property
    def office(self) -> Office:
        """Its parts."""


class Metrics:
    """The figures of one process and of the desk that it works at."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._measure: Measure | None = None
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._calls = Counter(
            "signoff_http_requests",
            "Calls that this process has answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._call_seconds = Histogram(
            "signoff_http_request_seconds",
            "How long until an answer began, of each call to this process.",
            ("method", "route"),
            buckets=CALL_BUCKETS,
            registry=self._registry,
        )
        self._runs = Counter(
            "signoff_runs",
            "Runs that this process has executed, by how they ended.",
            ("graph", "kind", "status"),
            registry=self._registry,
        )
        self._run_seconds = Histogram(
            "signoff_run_seconds",
            "How long each run took that this process has executed.",
            ("graph", "kind"),
            buckets=RUN_BUCKETS,
            registry=self._registry,
        )

    # What a process tells.

    def call(self, _scope: Scope) -> Metrics:
        """A call begins."""
        return self

    def __call__(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """The answer to a call has begun."""
        self._calls.labels(method, route or NONE, str(status)).inc()
        self._call_seconds.labels(method, route or NONE).observe(seconds)

    def run_ended(self, run: Run, status: RunStatus, seconds: float) -> None:
        """A run of this process has ended."""
        self._runs.labels(run.graph, run.kind.value, status.value).inc()
        self._run_seconds.labels(run.graph, run.kind.value).observe(seconds)

    # What is asked for.

    async def text(self) -> bytes:
        """All figures, as text."""
        office = self._desk.office
        if self._measure is None:
            self._measure = Measure(office)
        figures = await self._measure.figures()
        own = list(self._registry.collect())
        for family in own:  # when a counter began to count is of no use to anybody
            family.samples = [s for s in family.samples if not s.name.endswith("_created")]
        shown = CollectorRegistry()
        shown.register(_Shown([*_of_desk(figures), *_of_pools(office), *own]))
        return generate_latest(shown)


class _Shown:
    """A collector of what was collected already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """It."""
        return self._families


def _of_desk(found: Figures) -> Iterator[Metric]:
    yield InfoMetricFamily("signoff", "This program.", {"version": version("signoff")})
    yield GaugeMetricFamily("signoff_database_up", "1 if the database has answered.", int(found.up))
    yield _gauge("signoff_requests_open", "Requests that are open.", "kind", found.open)
    yield _gauge(
        "signoff_requests_overdue",
        "Those of them whose deadline has passed.",
        "kind",
        found.overdue,
    )
    yield _gauge("signoff_runs_active", "Runs that are queued or running.", "status", found.runs)
    yield _gauge(
        "signoff_messages",
        "Messages that wait, are being sent or were given up.",
        "state",
        found.messages,
        of="channel",
    )
    for name, said, value in (
        ("signoff_deadlines_due", "Requests that are due and not seen to.", found.due),
        ("signoff_deadlines_lag_seconds", "How long the first of them is due.", found.oldest_due),
        ("signoff_jobs_queued", "Jobs that no worker has taken.", found.jobs),
        ("signoff_workers", "Workers that are alive.", found.workers),
        ("signoff_threads_failed", "Threads that stand at an error.", found.threads_in_error),
    ):
        yield GaugeMetricFamily(name, said, value)
    yield from _what_happened(found)


def _what_happened(found: Figures) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "signoff_requests", "Requests that came to a state.", labels=("state", "graph", "kind")
    )
    deliveries = CounterMetricFamily(
        "signoff_deliveries", "Outcomes that a graph took.", labels=("result", "graph", "kind")
    )
    entries = CounterMetricFamily(
        "signoff_audit_entries", "Entries of the audit.", labels=("event",)
    )
    of_event: dict[str, int] = {}
    for (event, graph, kind), times in found.happened.items():
        of_event[event] = of_event.get(event, 0) + times
        if event in STATES:
            requests.add_metric((STATES[event], graph, kind), times)
        if event in RESULTS:
            deliveries.add_metric((RESULTS[event], graph, kind), times)
    for event, times in of_event.items():
        entries.add_metric((event,), times)
    yield from (requests, deliveries, entries)
    yield _histogram(
        "signoff_time_to_decide_seconds",
        "How long requests were open that people have decided.",
        found.to_decide,
        TO_DECIDE,
    )
    yield _histogram(
        "signoff_time_to_deliver_seconds",
        "How long from closing a request until its graph had gone on with the outcome.",
        found.to_deliver,
        TO_DELIVER,
    )


def _of_pools(office: Office) -> Iterator[Metric]:
    size = GaugeMetricFamily(
        "signoff_database_connections",
        "Connections of this process to the database.",
        labels=("pool", "state"),
    )
    waiting = GaugeMetricFamily(
        "signoff_database_waiting", "Who waits for a connection.", labels=("pool",)
    )
    for load in office.database.load():
        size.add_metric((load.pool, "idle"), load.idle)
        size.add_metric((load.pool, "used"), load.size - load.idle)
        waiting.add_metric((load.pool,), load.waiting)
    yield from (size, waiting)


def _gauge(
    name: str, said: str, label: str, found: Mapping[tuple[str, str], int], of: str = "graph"
) -> Metric:
    family = GaugeMetricFamily(name, said, labels=(of, label))
    for key, value in found.items():
        family.add_metric(key, value)
    return family


def _histogram(
    name: str, said: str, found: Mapping[tuple[str, str], Spread], bounds: Sequence[float]
) -> Metric:
    family = HistogramMetricFamily(name, said, labels=("graph", "kind"))
    for key, spread in found.items():
        below, buckets = 0, []
        for bound, times in zip([*map(str, bounds), "+Inf"], spread.times, strict=True):
            below += times
            buckets.append((bound, below))
        family.add_metric(key, buckets, spread.seconds)
    return family
