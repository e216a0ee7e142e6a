"""What Prometheus is told, held against the list in the docs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from signoff import Signoff
from signoff.config import Settings
from signoff.service import measure
from tests.api.conftest import Api, client_of, problem
from tests.helpers import eventually

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
ROW = re.compile(r"^\| `(signoff_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
OTHERS = ("process_", "python_")

Value = Callable[..., float]


@pytest.fixture(autouse=True)
def look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "FRESH", 0.0)
    monkeypatch.setattr(measure, "SHARE", float("inf"))


async def told(api: Api) -> Value:
    """What the figures are now, each by its name and some of its labels: the sum of those."""
    async with api.client() as nobody:
        answer = await nobody.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = [
        sample
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    ]

    def value(name: str, **labels: str) -> float:
        found = [s for s in samples if s.name == name and labels.items() <= s.labels.items()]
        return sum(sample.value for sample in found)

    return value


async def until(api: Api, so: Callable[[Value], bool]) -> Value:
    """The figures, once they are so: a run is counted a moment after those who wait are told."""
    found: list[Value] = []

    async def looked() -> bool:
        found.append(await told(api))
        return so(found[-1])

    await eventually(looked)
    return found[-1]


def documented() -> Iterator[tuple[str, str, frozenset[str]]]:
    for name, kind, labels in ROW.findall(DOCUMENT.read_text()):
        yield name, kind, frozenset(re.findall(r"`(\w+)`", labels))


async def test_the_list_in_the_docs_has_every_metric_and_nothing_else(api: Api) -> None:
    await told(api)
    await api.wait("t")
    request = await api.the_request("t")
    decided = {"action": "approve"}
    await api.http.post(f"/requests/{request['id']}/decisions", json=decided)
    await api.desk.wait("t", timeout=30)
    await api.wait("open")
    await until(api, lambda value: value("signoff_runs_total") == 3)
    text = (await api.http.get("/metrics")).text
    there = set()
    for family in text_string_to_metric_families(text):
        if family.name.startswith(OTHERS):
            continue
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for s in family.samples for label in s.labels} - {"le"}
        there.add((name, family.type, frozenset(labels)))
    # Nothing runs any more, and nobody is told of anything.
    assert set(documented()) - there == {
        ("signoff_runs_active", "gauge", frozenset({"graph", "status"})),
        ("signoff_messages", "gauge", frozenset({"channel", "state"})),
    }
    assert {each[:2] for each in there} == {each[:2] for each in documented()}


async def test_what_happens_is_counted_once(api: Api) -> None:
    assert (await told(api))("signoff_database_up") == 1
    for thread_id in ("a", "b"):
        await api.wait(thread_id)
    figures = await until(api, lambda value: value("signoff_runs_total") == 2)
    assert figures("signoff_requests_open", graph="drafts", kind="ask") == 2
    assert figures("signoff_requests_total", state="open", graph="drafts") == 2
    assert figures("signoff_runs_total", graph="drafts", kind="start", status="paused") == 2
    request = await api.the_request("a")
    for _ in range(2):  # the second one repeats the first, and changes nothing
        await api.http.post(f"/requests/{request['id']}/decisions", json={"action": "approve"})
    await api.desk.wait("a", timeout=30)
    await until(api, lambda value: value("signoff_runs_total") == 3)
    for _ in range(2):  # looking twice counts nothing twice
        figures = await told(api)
        assert figures("signoff_requests_open") == 1
        assert figures("signoff_requests_total", state="decided", graph="drafts") == 1
        assert figures("signoff_deliveries_total", result="delivered") == 1
        for name in ("decide", "deliver"):
            name = f"signoff_time_to_{name}_seconds"
            assert figures(f"{name}_count", graph="drafts") == 1
            assert figures(f"{name}_bucket", le="+Inf") == 1
            assert 0 < figures(f"{name}_sum") < 60
        assert figures("signoff_audit_entries_total", event="request.decided") == 1
        assert figures("signoff_runs_total", kind="resume", status="succeeded") == 1
        assert figures("signoff_run_seconds_count") == 3
    assert figures("signoff_workers") == 1
    assert figures("signoff_database_connections") >= 3


async def test_calls_are_counted_by_their_templates(api: Api) -> None:
    for path in ("/threads/one", "/threads/two", "/nowhere/1", "/nowhere/2"):
        await api.http.get(path)
    figures = await told(api)
    name = "signoff_http_requests_total"
    assert figures(name, route="/threads/{thread_id}", method="GET", status="404") == 2
    assert figures(name, route="none", status="404") == 2
    assert figures("signoff_http_request_seconds_count", route="/threads/{thread_id}") == 2
    assert (await told(api))(name, route="/metrics", status="200") == 1


async def test_what_is_due_and_what_failed_shows(api: Api) -> None:
    await api.wait("f", graph="failing", input={"fail": True})
    for _ in range(2):
        await api.wait(f"t{_}")
    async with api.desk.office.database.connection() as conn:
        await conn.execute(
            "UPDATE requests SET deadline = now() - interval '90 s' WHERE thread_id = 't0'"
        )
        await conn.execute("UPDATE threads SET status = 'error' WHERE id = 't1'")
        # Locked, so that the duty leaves it to the next time.
        async with conn.transaction():
            await conn.execute("SELECT FROM threads WHERE id = 't0' FOR UPDATE")
            async with api.desk.office.database.connection() as other:
                await other.execute(
                    "UPDATE requests SET wake_at = now() - interval '90 s' WHERE thread_id = 't0'"
                )
            figures = await told(api)
    assert figures("signoff_requests_overdue") == 1
    assert figures("signoff_deadlines_due") == 1
    assert 90 <= figures("signoff_deadlines_lag_seconds") < 300
    assert figures("signoff_threads_failed") >= 1


async def test_messages_are_counted_that_are_not_sent(api: Api) -> None:
    async with api.desk.office.database.connection() as conn:
        await conn.execute(
            """
            INSERT INTO messages (id, thread_id, graph, occasion, by, at, channel, address, state,
                                  planned_at, settled_at)
            SELECT gen_random_uuid(), 't', 'drafts', 'opened', 'jane', now(), 'email', n::text,
                   state, now(), now()
              FROM unnest(ARRAY['dead', 'dead', 'sent']) WITH ORDINALITY AS row (state, n)
            """
        )
    figures = await told(api)
    assert figures("signoff_messages", channel="email", state="dead") == 2
    assert figures("signoff_messages") == 2


async def test_a_database_that_does_not_answer_leaves_what_the_process_knows(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await told(api))("signoff_database_up") == 1
    monkeypatch.setattr(measure, "TIMEOUT", 0.0)
    figures = await told(api)
    assert figures("signoff_database_up") == 0
    assert figures("signoff_http_requests_total", route="/metrics") == 1


async def test_figures_are_kept_for_a_moment(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await told(api)
    monkeypatch.setattr(measure, "FRESH", 3600.0)
    await told(api)
    await api.wait("t")
    assert (await told(api))("signoff_requests_open") == 0


@pytest.mark.parametrize("settings", [{"metrics": False}, {"metrics_port": 0}])
async def test_metrics_may_be_off_or_elsewhere(database_url: str, settings: dict[str, int]) -> None:
    app = Signoff(database_url, {}, Settings(**settings)).asgi_app()
    async with client_of(app, {}) as http:
        problem(await http.get("/metrics"), 404, "route_not_found")


async def test_a_desk_that_is_not_open_has_no_figures(database_url: str) -> None:
    async with client_of(Signoff(database_url, {}).asgi_app(), {}) as http:
        problem(await http.get("/metrics"), 503, "database_not_ready")
