"""The review with a deadline: by a clock that the test moves, and as it is served."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from typing import Any

import pytest

from signoff import Signoff
from signoff.domain.errors import Forbidden, RequestClosed
from signoff.domain.user import User
from signoff.service.users import put_users
from tests.conftest import Clock, OpenDesk
from tests.examples.conftest import EXAMPLES, Example
from tests.helpers import time_kept

RITA, SVEN = "rita@firm.com", "sven@firm.com"


async def opened(open_desk: OpenDesk, clock: Clock) -> Signoff:
    """A desk with the example's graph and people, on the test's clock."""
    path = EXAMPLES / "review_with_deadline" / "graph.py"
    spec = importlib.util.spec_from_file_location("example_review_with_deadline", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    desk: Signoff = await open_desk({"review": module.builder}, now=clock)
    people = [User(name=RITA, groups=("reviewers",)), User(name=SVEN, groups=("senior-managers",))]
    await put_users(desk.office, people)
    await desk.start("review", {"document": "Q3 report"}, by="ann", thread_id="t")
    await desk.wait("t", timeout=30)
    return desk


async def the_request(desk: Signoff) -> Any:
    [request] = (await desk.requests(thread_id="t")).items
    return request


async def test_a_senior_manager_joins_in_after_a_day_and_the_clock_rejects_after_two(
    open_desk: OpenDesk, clock: Clock
) -> None:
    desk = await opened(open_desk, clock)
    request = await the_request(desk)
    with pytest.raises(Forbidden):
        await desk.decide(request.id, "approve", by=SVEN)

    clock.forward(timedelta(hours=24))
    await time_kept(desk)
    escalated = await the_request(desk)
    assert (escalated.state, escalated.priority) == ("open", "high")
    assert "group:senior-managers" in escalated.audience

    clock.forward(timedelta(hours=24))
    await time_kept(desk)
    values = (await desk.wait("t", timeout=30)).values
    assert values["status"] == "expired"
    assert values["review"] == {
        "action": "reject",
        "by": "system",
        "note": "Nobody answered in time.",
        "escalated": True,
        "seconds": 48 * 3600,
    }
    with pytest.raises(RequestClosed):
        await desk.decide(request.id, "approve", by=RITA)


async def test_what_the_senior_manager_decides_in_time_stands(
    open_desk: OpenDesk, clock: Clock
) -> None:
    desk = await opened(open_desk, clock)
    clock.forward(timedelta(hours=30))
    await time_kept(desk)
    await desk.decide((await the_request(desk)).id, "approve", by=SVEN)
    clock.forward(timedelta(days=30))
    await time_kept(desk)
    values = (await desk.wait("t", timeout=30)).values
    assert values["status"] == "approved"
    assert values["review"]["by"] == SVEN
    assert (values["review"]["escalated"], values["review"]["seconds"]) == (True, 30 * 3600)


def test_the_served_review_is_rejected_by_the_real_clock(example: Example) -> None:
    short = {"document": "Q3 report", "escalate_after": "0.2s", "within": "0.4s"}
    example.start("review_with_deadline", "late", **short)
    [request] = example.requests("late")

    closed = example.closed(request)

    assert (closed.state, closed.votes) == ("expired", [])
    values = example.values("late")
    assert values["status"] == "expired"
    assert (values["review"]["by"], values["review"]["escalated"]) == ("system", True)
    assert 0.4 <= values["review"]["seconds"] < 60
    assert example.audit(request) == [
        "request.opened",
        "request.escalated",
        "request.expired",
        "request.delivered",
    ]


def test_the_served_review_admits_the_senior_manager_once_it_is_escalated(
    example: Example,
) -> None:
    example.start("review_with_deadline", "escalated", document="Q3", escalate_after="0.2s")
    request = example.open("escalated")
    example.ledger.until(
        "SELECT 1 FROM audit WHERE request_id = %s AND body LIKE %s",
        request.id,
        "%request.escalated%",
    )
    done = example.decide(request, "reject", SVEN, note="Not this quarter.")
    assert done["values"]["status"] == "rejected"
    assert done["values"]["review"]["escalated"] is True


def test_the_served_review_is_the_reviewers_alone_before_that(example: Example) -> None:
    example.start("review_with_deadline", "early", document="Q3 report")
    with pytest.raises(Forbidden, match="group:reviewers"):
        example.answer("early", "approve", SVEN)
    assert example.answer("early", "approve", RITA)["values"]["status"] == "approved"
