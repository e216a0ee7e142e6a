"""What an entry of the audit carries: who and how they were known, what changed, where it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from langgraph.types import interrupt

from signoff.acting import acting
from signoff.clock import utcnow
from signoff.db.pool import Database
from signoff.domain.principal import Principal, Role
from signoff.graph.state import Place
from signoff.policies.book import PolicyBook
from signoff.policies.reading import load
from signoff.service.note_policies import note_policies
from signoff.service.update_state import update_state
from signoff.service.verify_audit import verify_audit
from tests.conftest import OpenDesk
from tests.helpers import Log, chain, listed, rows, settled, started, the_open


def review(state: Log) -> Log:
    return {"seen": [interrupt("which?")]}


async def told(desk: Any, event: str) -> dict[str, Any]:
    [entry] = [each for each in await desk.audit(thread_id="t") if each["event"] == event]
    return dict(entry)


async def test_an_entry_says_who_it_was_what_changed_and_at_which_checkpoint(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    request = await the_open(desk)
    await desk.claim(request.id, by="jane")
    jane = Principal(name="jane", role=Role.REVIEWER, method="password")
    with acting(jane):
        await desk.decide(request.id, "respond", values={"value": 1}, by="jane")
    await settled(desk)
    where = {
        "digest": request.digest,
        "checkpoint_before": request.checkpoint_id,
        "checkpoint_after": request.checkpoint_id,
    }
    opened = await told(desk, "request.opened")
    assert where.items() <= opened.items()
    assert (opened["method"], opened["before"]) == (None, None)
    claimed = await told(desk, "request.claimed")
    assert claimed["before"] == {"claimed_by": None, "audience": []}
    assert claimed["after"] == {"claimed_by": "jane", "audience": ["jane"]}
    assert claimed["method"] is None  # a program that uses the library has said so
    decided = await told(desk, "request.decided")
    assert where.items() <= decided.items()
    assert (decided["by"], decided["method"]) == ("jane", "password")
    assert decided["before"].items() >= {"state": "open", "delivery": "none", "votes": 0}.items()
    assert decided["after"].items() >= {"state": "decided", "votes": 1}.items()
    delivered = await told(desk, "request.delivered")
    assert where.items() <= delivered.items()
    assert delivered["before"]["delivery"] == "pending"
    assert delivered["after"]["delivery"] == "delivered"
    assert (await verify_audit(desk.office.database)).found == 0


async def test_a_changed_state_is_told_with_the_checkpoints_before_and_after(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    request = await the_open(desk)
    after = await update_state(
        desk.office, Place(thread_id="t"), {"amount": 1}, as_node=None, by="jane"
    )
    updated = await told(desk, "thread.updated")
    assert updated["checkpoint_before"] == request.checkpoint_id
    assert updated["checkpoint_after"] == after["checkpoint_id"] != request.checkpoint_id
    assert [each.state for each in await listed(desk)] == ["superseded"]


def book(within: str) -> PolicyBook:
    return load(f'[policy]\nwithin = "{within}"\n', path=Path("signoff.toml"))


async def test_policies_that_change_are_told_once_by_all_processes(database: Database) -> None:
    assert not await note_policies(database, PolicyBook(), at=utcnow())
    assert await note_policies(database, book("1h"), at=utcnow())
    assert not await note_policies(database, book("1h"), at=utcnow())
    assert not await note_policies(database, replace(book("60m")), at=utcnow())
    assert await note_policies(database, book("2h"), at=utcnow())
    assert await note_policies(database, PolicyBook(), at=utcnow())
    async with database.connection() as conn:
        cursor = await conn.execute(
            "SELECT body::json -> 'before' -> 'rules' AS before, body::json -> 'after' -> 'rules'"
            " AS after FROM audit WHERE thread_id = '#policies' ORDER BY seq"
        )
        entries = await cursor.fetchall()
    one_hour, two_hours = ([{"when": {}, "policy": {"within": each}}] for each in ("PT1H", "PT2H"))
    assert [(each["before"], each["after"]) for each in entries] == [
        ([], one_hour),
        (one_hour, two_hours),
        (two_hours, []),
    ]


async def test_a_worker_tells_of_the_policies_that_hold(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)}, policies=lambda: book("3h"))
    await desk.engine._note_policies()
    await desk.engine._note_policies()
    [entry] = await rows(desk, "SELECT event FROM audit WHERE thread_id = '#policies'")
    assert entry["event"] == "policies.changed"
