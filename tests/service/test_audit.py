"""The audit: an entry for every transition, in a chain that anybody can follow."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

from langgraph.types import interrupt

from signoff.clock import utcnow
from signoff.db import audit
from signoff.domain.audit import GENESIS, AuditEntry, link
from signoff.service.verify_audit import verify_audit
from tests.conftest import OpenDesk
from tests.helpers import (
    Log,
    answered,
    by_title,
    chain,
    events,
    fork,
    listed,
    rows,
    settled,
    started,
    the_open,
)


def review(state: Log) -> Log:
    return {"seen": [interrupt("which?")]}


def left(state: Log) -> Log:
    return {"seen": [interrupt("left?")]}


def right(state: Log) -> Log:
    return {"seen": [interrupt("right?")]}


async def broken(desk: Any) -> list[tuple[str | None, int | None]]:
    """Where the chains do not hold: thread and number of each entry that is not as it was."""
    report = await verify_audit(desk.office.database)
    [stored] = await rows(desk, "SELECT count(*) AS n FROM audit")
    assert report.entries == stored["n"]
    return [(each.thread_id, each.seq) for each in report.findings]


def test_the_link_is_a_plain_sha_256_that_other_programs_can_compute() -> None:
    body = hashlib.sha256(b'{"event":"x"}').hexdigest()
    text = f"{GENESIS}\n1\n7\n900\nt\n{body}"
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert link(GENESIS, 1, 7, 900, "t", '{"event":"x"}') == expected


async def test_the_chain_of_a_thread_tells_all_that_happened_to_it(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    request = await the_open(desk)
    await desk.decide(
        request.id, "respond", values={"value": "this"}, by="jane", note="as discussed"
    )
    await settled(desk)
    entries = await desk.audit(thread_id="t")
    assert [(e["seq"], e["event"], e["by"]) for e in entries] == [
        (1, "run.created", "starter"),
        (2, "request.opened", "system"),
        (3, "request.decided", "jane"),
        (4, "request.delivered", "system"),
    ]
    opened, decided = entries[1], entries[2]
    assert (opened["data"]["title"], opened["data"]["digest"]) == ("which?", request.digest)
    assert decided["data"]["digest"] == request.digest
    assert decided["data"]["outcome"]["values"] == {"value": "this"}
    assert decided["data"]["outcome"]["note"] == "as discussed"
    assert {e["request_id"] for e in entries[1:]} == {request.id}
    assert await desk.audit(request_id=request.id) == entries[1:]
    assert await broken(desk) == []


async def test_the_chain_holds_over_every_kind_of_transition(open_desk: OpenDesk) -> None:
    fails = {"now": True}

    def poisoned(state: Log) -> Log:
        answer = interrupt("poisoned?")
        if fails["now"]:
            raise ValueError('\u2028 odd \\ characters " in \t it')
        return {"seen": [answer]}

    desk = await open_desk({"g": fork(left, poisoned)})
    await started(desk)
    asked = await by_title(desk)
    await desk.decide(asked["poisoned?"].id, "respond", values={"value": "\u2028"}, by="jane")
    await settled(desk)
    await desk.retry(asked["poisoned?"].id, by="jane")
    await settled(desk)
    await desk.retry(asked["poisoned?"].id, by="jane", reask=True)
    await settled(desk)
    fails["now"] = False
    await desk.decide(
        (await by_title(desk, "open"))["poisoned?"].id, "respond", values={"value": 1}, by="jane"
    )
    await settled(desk)
    await started(desk)  # supersedes what is open
    [run] = await rows(desk, "SELECT id FROM runs ORDER BY created_at DESC LIMIT 1")
    await desk.cancel("t", str(run["id"]), by="boss")
    told = set(await events(desk))
    assert told == {
        "run.created",
        "run.failed",
        "run.cancelled",
        "request.opened",
        "request.decided",
        "request.delivered",
        "request.delivery_failed",
        "request.retried",
        "request.reasked",
        "request.superseded",
        "request.withdrawn",
    }
    assert await broken(desk) == []
    # The states of the requests are what the entries lead to.
    opened = [e["request_id"] for e in await desk.audit(thread_id="t") if "opened" in e["event"]]
    assert set(opened) == {request.id for request in await listed(desk)}
    assert len(opened) == len(set(opened))


async def test_writers_at_once_keep_the_chain(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    database = desk.office.database

    async def write(number: int) -> None:
        entry = AuditEntry(
            event="note",
            thread_id=f"t{number % 2}",
            by="writer",
            at=utcnow(),
            data={"number": number},
        )
        async with database.transaction() as conn:
            await audit.append(conn, entry, entry)

    await asyncio.gather(*(write(number) for number in range(40)))
    assert await broken(desk) == []
    [count] = await rows(desk, "SELECT count(*) AS n FROM audit")
    assert count["n"] == 80


async def test_many_threads_at_once_keep_each_its_own_chain(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": fork(left, right)})

    async def cycle(thread_id: str) -> None:
        await started(desk, thread_id=thread_id)
        for request in await listed(desk, thread_id=thread_id):
            await desk.decide(request.id, "respond", values={"value": 1}, by="jane")
        await settled(desk, thread_id)

    await asyncio.gather(*(cycle(f"t{number}") for number in range(20)))
    assert await broken(desk) == []
    for number in range(20):
        told = await events(desk, f"t{number}")
        assert sorted(told) == sorted(
            ["run.created"] + ["request.opened", "request.decided", "request.delivered"] * 2
        )


async def test_what_was_changed_or_taken_out_shows(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    await started(desk)
    await answered(desk, "this")
    await rows(desk, "UPDATE audit SET body = replace(body, 'jane', 'john') WHERE seq = 3")
    assert await broken(desk) == [("t", 3)]
    await rows(desk, "UPDATE audit SET body = replace(body, 'john', 'jane') WHERE seq = 3")
    assert await broken(desk) == []
    await rows(desk, "DELETE FROM audit WHERE seq = 2")
    assert await broken(desk) == [("t", 2)]


async def test_the_text_of_an_entry_is_kept_to_the_byte(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    odd = 'a " quote, a \\ backslash, \u00e9, \U0001f600, \u2028, a tab\tand 1.10'
    entry = AuditEntry(event="note", thread_id="t", by="me", at=utcnow(), data={"odd": odd})
    async with desk.office.database.transaction() as conn:
        await audit.append(conn, entry)
    [row] = await rows(desk, "SELECT body FROM audit")
    assert json.loads(row["body"])["data"]["odd"] == odd
    assert await broken(desk) == []
