"""What leads to what: over HTTP, the queue, processes and the time that a decision takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from signoff import Signoff
from signoff.config import Settings
from signoff.domain.errors import ConfigError
from signoff.tracing import opentelemetry, traces_of
from signoff.tracing.spans import OFF
from tests.api import graphs
from tests.api.conftest import client_of
from tests.conftest import Clock, OpenDesk
from tests.helpers import eventually
from tests.people import as_, named

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Spans = Callable[[str], list[ReadableSpan]]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """The spans of a name that have ended."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(opentelemetry, "provider", lambda: (provider, None))
    return lambda name: [each for each in exporter.get_finished_spans() if each.name == name]


@pytest.fixture
async def desk(open_desk: OpenDesk, spans: Spans) -> Signoff:
    served = {"drafts": graphs.drafts(), "failing": graphs.failing()}
    desk: Signoff = await open_desk(served, tracing=True)
    return desk


async def the(spans: Spans, name: str) -> ReadableSpan:
    """The one span of a name, once it has ended."""

    async def ended() -> bool:
        return bool(spans(name))

    await eventually(ended)
    [span] = spans(name)
    return span


async def both(spans: Spans, name: str) -> list[ReadableSpan]:
    """The order of a run and its execution, once both have ended."""

    async def ended() -> bool:
        return len(spans(name)) == 2

    await eventually(ended)
    return sorted(spans(name), key=lambda each: each.start_time or 0)


def place(span: ReadableSpan) -> tuple[int, int]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def parent(span: ReadableSpan) -> tuple[int, int]:
    assert span.parent is not None
    return span.parent.trace_id, span.parent.span_id


async def test_a_decision_and_what_goes_on_from_it_are_linked_with_what_has_asked(
    desk: Signoff, spans: Spans
) -> None:
    app = desk.asgi_app(authenticate=named)
    async with client_of(app, as_("jane")) as http:
        order = {"assistant_id": "drafts", "input": {"topic": "tea"}}
        await http.post("/threads", json={"thread_id": "t"})
        await http.post("/threads/t/runs", json=order, headers={"traceparent": CALLER})
        await desk.wait("t", timeout=30)
        [request] = (await http.get("/requests")).json()["items"]
        call = await the(spans, "POST /threads/{thread_id}/runs")
        # The caller's trace goes on: call, order, run.
        assert parent(call) == (int(CALLER[3:35], 16), int(CALLER[36:52], 16))
        order_span, run_span = await both(spans, "start drafts")
        assert (parent(order_span), parent(run_span)) == (place(call), place(order_span))
        assert run_span.attributes is not None
        assert run_span.attributes["signoff.thread_id"] == "t"

        path = f"/requests/{request['id']}/decisions"
        await http.post(path, json={"action": "approve"})
        await desk.wait("t", timeout=30)
    decided = await the(spans, "decide")
    resumed = await the(spans, "resume drafts")
    assert parent(decided) == place(await the(spans, "POST /requests/{request_id}/decisions"))
    assert links(decided) == links(resumed) == [place(run_span)]
    assert parent(resumed) == place(decided)
    assert place(decided)[0] != place(run_span)[0]
    assert resumed.attributes is not None
    assert resumed.attributes["signoff.request_id"] == request["id"]


async def test_traces_go_through_the_queue_to_another_process(
    open_desk: OpenDesk, spans: Spans
) -> None:
    served = {"drafts": graphs.drafts()}
    server = await open_desk(served, tracing=True, work=False)
    await server.start("drafts", {"topic": "tea"}, thread_id="t", by="jane")
    worker = await open_desk(served, tracing=True)
    await worker.wait("t", timeout=30)
    [request] = (await server.requests()).items
    await server.decide(request.id, "approve", by="jane")
    await server.wait("t", timeout=30)
    resumed = await the(spans, "resume drafts")
    decided = await the(spans, "decide")
    first, second = await both(spans, "start drafts")
    assert (parent(second), parent(resumed)) == (place(first), place(decided))
    assert links(resumed) == links(decided) == [place(second)]


async def test_a_deadline_that_passes_is_linked_with_what_has_asked(
    open_desk: OpenDesk, spans: Spans, clock: Clock
) -> None:
    desk = await open_desk({"drafts": graphs.drafts()}, tracing=True, now=clock)
    policy = {"policy": {"within": "1h", "otherwise": "reject"}}
    await desk.start("drafts", {"topic": "tea", **policy}, thread_id="t", by="jane")
    await desk.wait("t", timeout=30)
    clock.forward(timedelta(hours=2))
    resumed = await the(spans, "resume drafts")
    due = await the(spans, "due")
    assert parent(resumed) == place(due)
    assert links(due) == links(resumed)
    assert links(due)


async def test_a_run_that_fails_is_an_error_without_its_words(desk: Signoff, spans: Spans) -> None:
    await desk.start("failing", {"fail": True}, thread_id="f", by="jane")
    await desk.wait("f", timeout=30)
    _, failed = await both(spans, "start failing")
    assert not failed.status.is_ok
    assert (failed.status.description, failed.events) == (None, ())


async def test_no_path_is_in_a_trace(desk: Signoff, spans: Spans) -> None:
    async with client_of(desk.asgi_app(authenticate=named), as_("jane")) as http:
        await http.get("/nowhere/secret?token=secret")
        for path in ("/healthz", "/metrics", "/inbox/static/0/style.css"):
            await http.get(path)
    span = await the(spans, "GET")  # of something without a route, and of nothing else
    assert "secret" not in span.to_json()


async def test_where_traces_are_off_nothing_is_kept(open_desk: OpenDesk) -> None:
    desk = await open_desk({"drafts": graphs.drafts()})
    run = await desk.start("drafts", {"topic": "tea"}, thread_id="t", by="jane")
    await desk.wait("t", timeout=30)
    [request] = (await desk.requests()).items
    assert (run.traceparent, request.traceparent, desk.office.traces) == (None, None, OFF)


def test_traces_without_opentelemetry_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "signoff.tracing.opentelemetry", None)
    with pytest.raises(ConfigError, match=r"pip install 'signoff\[otel\]'"):
        traces_of(Settings(tracing=True))
    assert traces_of(Settings()) is OFF
