"""Encryption at rest: what people and graphs say is nowhere in the database as it was said."""

from __future__ import annotations

import asyncio
import base64
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any, TypedDict

import psycopg
import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from signoff import Signoff, ask, audit_verify, once
from signoff.clock import utcnow
from signoff.db import encryption, resealing, threads
from signoff.db.pool import Connection, Database
from signoff.db.sealed import key_id
from signoff.domain.errors import CannotDecrypt, ConfigError, EncryptionKeyMissing, NotSupported
from signoff.domain.key import digest
from signoff.domain.thread import ThreadStatus
from signoff.domain.user import User
from signoff.graph.state import Place
from signoff.service.encrypt import encrypt_all
from signoff.service.export_audit import Scope, export_bundle
from signoff.service.health import check_database
from signoff.service.sessions import Beginning, begin, sign_out, signed_in
from signoff.service.state import get_state
from signoff.service.users import put_users
from signoff.service.verify_audit import verify_audit
from tests.conftest import Clock, OpenDesk
from tests.helpers import settled

KEY, NEWER = (base64.b64encode(bytes([n] * 32)).decode() for n in (1, 2))

SECRET = "s3cr3t"
"""What everything that has to be hidden begins with; a word of its own follows."""


class State(TypedDict, total=False):
    text: str
    number: int
    answer: dict[str, Any]
    nested: dict[str, Any]
    fails: bool


def prepare(state: State) -> State:
    effect = once("charge", lambda idempotency_key: {"receipt": f"{SECRET}-effect"})
    return {"nested": {"receipt": effect}, "text": state["text"] + "!"}


def review(state: State) -> State:
    decision = ask(
        f"Pay {SECRET}-title?",
        show={"draft": state["text"], "more": f"{SECRET}-payload"},
        actions=["approve", "reject"],
        reply={
            "type": "object",
            "properties": {"amount": {"type": "string", "default": f"{SECRET}-schema"}},
        },
        otherwise={"action": "reject", "note": f"{SECRET}-otherwise"},
        within="2h",
    )
    return {"answer": {"values": dict(decision.values), "note": decision.note}}


def plain(state: State) -> State:
    return {"nested": {"said": interrupt({"question": f"{SECRET}-question"})}}


def end(state: State) -> State:
    if state.get("fails"):
        raise ValueError(f"cannot do it with {SECRET}-error")
    return {"number": 7}


def graph() -> StateGraph[Any]:
    builder = StateGraph(State)
    before = START
    for node in (prepare, review, plain, end):
        builder.add_node(node.__name__, node)
        builder.add_edge(before, node.__name__)
        before = node.__name__
    return builder


def dump(url: str) -> dict[str, str]:
    """All that is in the database, by table, as `COPY` writes it."""
    found = {}
    with psycopg.connect(url) as conn:
        tables = conn.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (table,) in tables:
            with conn.cursor().copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy:
                found[table] = b"".join(bytes(each) for each in copy).decode("latin-1")
    return found


async def paid(desk: Signoff, thread_id: str, *, fails: bool = False) -> None:
    """Do the whole job, with a secret in whatever people and graphs can say."""
    given = {"text": f"{SECRET}-input", "fails": fails}
    config = {"configurable": {"tenant": f"{SECRET}-config"}}
    await desk.start("pay", given, thread_id=thread_id, by="sales", config=config)
    await settled(desk, thread_id)
    [request] = (await desk.requests(thread_id=thread_id)).items
    assert request.title == f"Pay {SECRET}-title?"
    assert request.payload["show"]["draft"] == f"{SECRET}-input!"
    await desk.comment(request.id, f"{SECRET}-comment", by="jane")
    await desk.decide(
        request.id,
        "approve",
        values={"amount": f"{SECRET}-value"},
        note=f"{SECRET}-note",
        by="jane",
    )
    await settled(desk, thread_id)
    [request] = (await desk.requests(thread_id=thread_id, state=["open"])).items
    await desk.decide(request.id, "respond", values={"value": f"{SECRET}-answer"}, by="jane")
    await settled(desk, thread_id)


async def test_nothing_that_people_or_graphs_say_is_in_the_database(
    open_desk: OpenDesk, database_url: str
) -> None:
    desk = await open_desk({"pay": graph()}, encryption_keys=KEY)
    await paid(desk, "fine")
    await paid(desk, "bad", fails=True)

    thread = await desk.thread("fine")
    assert thread.values["answer"] == {
        "values": {"amount": f"{SECRET}-value"},
        "note": f"{SECRET}-note",
    }
    assert thread.values["nested"] == {"said": f"{SECRET}-answer"}
    failed = await desk.thread("bad")
    assert failed.status is ThreadStatus.ERROR
    assert f"{SECRET}-error" in str(failed.error)

    tables = dump(database_url)
    assert {table for table, text in tables.items() if SECRET in text} == set()
    for table in ("requests", "votes", "runs", "effects", "checkpoint_blobs", "audit"):
        assert tables[f"signoff.{table}"].count("sealed"), f"{table} has nothing sealed"


async def test_without_keys_everything_is_in_the_clear(
    open_desk: OpenDesk, database_url: str
) -> None:
    desk = await open_desk({"pay": graph()})
    await paid(desk, "fine")
    tables = {table for table, text in dump(database_url).items() if SECRET in text}
    assert {
        f"signoff.{each}" for each in ("requests", "votes", "runs", "effects", "audit")
    } <= tables


async def test_what_was_moved_or_changed_is_found_and_named(
    open_desk: OpenDesk, database_url: str
) -> None:
    desk = await open_desk({"pay": graph()}, encryption_keys=KEY)
    for thread_id in ("one", "other"):
        await desk.start("pay", {"text": thread_id}, thread_id=thread_id, by="sales")
        await settled(desk, thread_id)
    ids = [(await desk.requests(thread_id=each)).items[0].id for each in ("one", "other")]
    with psycopg.connect(database_url, options="-c search_path=signoff") as conn:
        conn.execute(
            "UPDATE requests SET payload = (SELECT payload FROM requests WHERE id = %s)"
            " WHERE id = %s",
            (ids[1], ids[0]),
        )
        conn.execute(
            "UPDATE threads SET state_values = to_jsonb(overlay(state_values #>> '{}'"
            " placing 'AAAA' FROM 60)) WHERE id = 'other'"
        )
    with pytest.raises(CannotDecrypt, match=f"requests.payload of {ids[0]}: it was changed"):
        await desk.request(ids[0])
    with pytest.raises(CannotDecrypt, match=r"threads\.state_values of other"):
        await desk.thread("other")
    assert (await desk.request(ids[1])).payload["show"]["draft"] == "other!"


async def test_a_checkpoint_of_another_thread_fails_the_run_and_shows_why(
    open_desk: OpenDesk, database_url: str
) -> None:
    desk = await open_desk({"pay": graph()}, encryption_keys=KEY)
    for thread_id in ("one", "other"):
        await desk.start("pay", {"text": thread_id}, thread_id=thread_id, by="sales")
        await settled(desk, thread_id)
    desk.office.memory.forget("one")
    with psycopg.connect(database_url, options="-c search_path=signoff") as conn:
        conn.execute(
            "UPDATE checkpoint_blobs AS one SET blob = other.blob FROM checkpoint_blobs AS other"
            " WHERE one.thread_id = 'one' AND other.thread_id = 'other'"
            "   AND one.channel = other.channel"
        )
    [request] = (await desk.requests(thread_id="one")).items
    await desk.decide(request.id, "approve", values={"amount": "1"}, by="jane")
    thread = await settled(desk, "one")
    assert thread.status is ThreadStatus.ERROR
    assert "checkpoint_blobs of one" in str(thread.error)


async def test_what_is_not_encrypted_is_refused_once_that_is_asked_for(
    open_desk: OpenDesk, database_url: str
) -> None:
    desk = await open_desk({"pay": graph()}, encryption_keys=KEY, encryption_strict=True)
    await paid(desk, "fine")
    [request, *_] = (await desk.requests(thread_id="fine")).items
    with psycopg.connect(database_url, options="-c search_path=signoff") as conn:
        conn.execute("UPDATE requests SET title = 'Pay me' WHERE id = %s", (request.id,))
    with pytest.raises(CannotDecrypt, match="it is not encrypted"):
        await desk.request(request.id)


async def test_a_process_without_the_key_says_which_and_stops(open_desk: OpenDesk) -> None:
    desk = await open_desk({"pay": graph()}, encryption_keys=KEY)
    name = desk.office.database.sealer.first
    with pytest.raises(EncryptionKeyMissing, match=f"the key {name}, which this process has not"):
        await open_desk({"pay": graph()})
    with pytest.raises(EncryptionKeyMissing, match=name):
        await open_desk({"pay": graph()}, encryption_keys=NEWER)


async def test_encryption_begins_only_when_nobody_without_the_key_is_at_work(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encryption, "PATIENCE", "100ms")
    await open_desk({"pay": graph()})
    with pytest.raises(ConfigError, match="stop them first"):
        await open_desk({"pay": graph()}, encryption_keys=KEY)


async def test_a_server_that_lacks_a_key_by_now_is_not_ready(
    open_desk: OpenDesk, tmp_path: Path
) -> None:
    old = await open_desk({"pay": graph()}, work=False, encryption_keys=KEY)
    await check_database(old.office)
    newer = await open_desk({"pay": graph()}, encryption_keys=f"{NEWER} {KEY}")
    await newer.start("pay", {"text": "x"}, thread_id="t", by="sales")
    await settled(newer, "t")
    with pytest.raises(EncryptionKeyMissing):
        await check_database(old.office)
    with pytest.raises(EncryptionKeyMissing):
        await old.thread("t")


async def test_search_looks_only_at_what_is_in_the_clear(open_desk: OpenDesk) -> None:
    desk = await open_desk({"pay": graph()}, encryption_keys=KEY)
    await desk.start("pay", {"text": "x"}, thread_id="thread-of-acme", by="sales")
    await settled(desk, "thread-of-acme")
    assert [each.title for each in (await desk.requests(q="acme")).items] == [
        f"Pay {SECRET}-title?"
    ]
    assert (await desk.requests(q=SECRET)).items == []
    assert (await desk.requests(q="sealed")).items == []
    async with desk.office.database.connection() as conn:
        with pytest.raises(NotSupported, match="encrypted"):
            await threads.search(conn, values={"text": "x!"})
    checkpointer = desk.checkpointer("pay")
    config = {"configurable": {"thread_id": "thread-of-acme"}}
    assert [each async for each in checkpointer.alist(config, filter={"source": "input"})]
    with pytest.raises(NotSupported, match="tenant"):
        [each async for each in checkpointer.alist(config, filter={"tenant": "x"})]


async def test_a_graph_that_runs_elsewhere_is_encrypted_as_well(
    open_desk: OpenDesk, database_url: str
) -> None:
    desk = await open_desk({"pay": graph()}, work=False, encryption_keys=KEY)
    elsewhere = graph().compile(checkpointer=desk.checkpointer("pay"))
    config = {"configurable": {"thread_id": "t"}, "metadata": {"tenant": f"{SECRET}-tenant"}}
    await elsewhere.ainvoke({"text": f"{SECRET}-input"}, config)
    [request] = (await desk.requests(thread_id="t")).items
    assert request.payload["show"]["draft"] == f"{SECRET}-input!"
    assert {table for table, text in dump(database_url).items() if SECRET in text} == set()
    state = await elsewhere.aget_state(config)
    assert state.values["text"] == f"{SECRET}-input!"
    assert state.metadata["tenant"] == f"{SECRET}-tenant"
    answer = {"action": "approve", "values": {"amount": f"{SECRET}-value"}, "note": None}
    await elsewhere.ainvoke(Command(resume=answer), config)
    history = [each.values async for each in elsewhere.aget_state_history(config)]
    assert history[0]["answer"]["values"] == {"amount": f"{SECRET}-value"}
    assert {table for table, text in dump(database_url).items() if SECRET in text} == set()


async def test_the_audit_of_an_encrypted_database_is_verified_and_exported(
    open_desk: OpenDesk, database_url: str, tmp_path: Path
) -> None:
    desk = await open_desk({"pay": graph()}, encryption_keys=KEY)
    await paid(desk, "fine")
    [*_, decided] = [
        each for each in await desk.audit(thread_id="fine") if each["event"] == "request.decided"
    ]
    assert decided["data"]["outcome"]["values"] == {"value": f"{SECRET}-answer"}

    file = tmp_path / "audit.zip"
    await export_bundle(desk.office.database, Scope(thread_id="fine"), file, at=utcnow())
    verification = audit_verify.Verification(audit_verify.Bundle(str(file)), set())
    verification.run()
    assert verification.found == []
    assert (verification.counts["requests"], verification.counts["shown"]) == (2, 2)
    with zipfile.ZipFile(file) as bundle:
        assert f"{SECRET}-note" in bundle.read("entries.jsonl").decode()
        changed = bundle.read("entries.jsonl").decode().replace(f"{SECRET}-note", "another note")
    with zipfile.ZipFile(file, "a") as bundle:
        bundle.writestr("entries.jsonl", changed)
    verification = audit_verify.Verification(audit_verify.Bundle(str(file)), set())
    verification.run()
    assert any("kept encrypted" in each for each in verification.found)

    async with Database(database_url) as keyless:
        assert (await verify_audit(keyless)).found == 0
    with psycopg.connect(database_url, options="-c search_path=signoff") as conn:
        sealed = [
            f"UPDATE audit SET sealed = {value} WHERE ctid = (SELECT ctid FROM audit"
            f" WHERE sealed IS NOT NULL ORDER BY at {order} LIMIT 1)"
            for order, value in (
                ("", "NULL"),
                ("DESC", "overlay(sealed placing 'AAAA' FROM 60)"),
            )
        ]
        assert [conn.execute(each.encode()).rowcount for each in sealed] == [1, 1]
    report = await verify_audit(desk.office.database)
    assert {(each.kind, each.message.partition(" is not")[0]) for each in report.findings} == {
        ("edited", "what it keeps encrypted"),
        ("edited", "its column sealed"),
    }
    assert report.found == 2


async def test_keys_are_changed_while_runs_go_on(open_desk: OpenDesk, database_url: str) -> None:
    before = await open_desk({"pay": graph()}, encryption_keys=KEY)
    old = before.office.database.sealer.first
    await paid(before, "done")
    await before.start("pay", {"text": f"{SECRET}-input"}, thread_id="waits", by="sales")
    await settled(before, "waits")
    desk = await open_desk({"pay": graph()}, encryption_keys=f"{NEWER} {KEY}")
    new = desk.office.database.sealer.first

    running = asyncio.gather(*(paid(desk, f"t{number}") for number in range(4)))
    done = await encrypt_all(desk.office.database)
    await running
    assert (done.key, done.forgotten, done.in_use) == (new, [], [old])  # `before` is still open
    await before.__aexit__(None, None, None)
    done = await encrypt_all(desk.office.database)
    assert (done.forgotten, done.in_use) == ([old], [])
    assert (await encrypt_all(desk.office.database)).rewritten == 0

    tables = dump(database_url)
    assert {table for table, text in tables.items() if f"sealed:1:{old}" in text} == set()
    assert {table for table, text in tables.items() if SECRET in text} == set()
    await desk.__aexit__(None, None, None)
    after = await open_desk({"pay": graph()}, encryption_keys=NEWER, encryption_strict=True)
    [request] = (await after.requests(thread_id="waits")).items
    await after.decide(request.id, "approve", values={"amount": f"{SECRET}-value"}, by="jane")
    thread = await settled(after, "waits")
    assert thread.values["answer"]["values"] == {"amount": f"{SECRET}-value"}
    [entry, *_] = [e for e in await after.audit(thread_id="done") if e["event"] == "request.opened"]
    assert entry["data"]["title"] == f"Pay {SECRET}-title?"
    assert (await verify_audit(after.office.database)).found == 0


async def test_what_was_there_before_is_readable_and_then_encrypted(
    open_desk: OpenDesk, database_url: str
) -> None:
    plain_desk = await open_desk({"pay": graph()})
    await paid(plain_desk, "done")
    await paid(plain_desk, "bad", fails=True)
    await plain_desk.start("pay", {"text": f"{SECRET}-input"}, thread_id="waits", by="sales")
    await settled(plain_desk, "waits")
    whole = dump(database_url)
    await plain_desk.__aexit__(None, None, None)

    desk = await open_desk({"pay": graph()}, encryption_keys=KEY)
    assert (await desk.thread("done")).values["answer"]["note"] == f"{SECRET}-note"
    done = await encrypt_all(desk.office.database)
    assert done.rewritten > 0
    left = {table for table, text in dump(database_url).items() if SECRET in text}
    assert left == {"signoff.audit"}  # which is what it was
    assert dump(database_url)["signoff.audit"] == whole["signoff.audit"]
    assert (await desk.thread("done")).values["answer"]["note"] == f"{SECRET}-note"
    assert f"{SECRET}-error" in str((await desk.thread("bad")).error)
    [request] = (await desk.requests(thread_id="waits")).items
    await desk.decide(request.id, "approve", values={"amount": "1"}, by="jane")
    thread = await settled(desk, "waits")
    assert thread.values["answer"]["values"] == {"amount": "1"}


async def test_metadata_that_somebody_calls_sealed_is_what_it_was(open_desk: OpenDesk) -> None:
    plain_desk = await open_desk({"pay": graph()})
    config = {"configurable": {"sealed": "with wax"}}
    await plain_desk.start("pay", {"text": "x"}, thread_id="t", by="sales", config=config)
    await settled(plain_desk, "t")
    await plain_desk.__aexit__(None, None, None)

    desk = await open_desk({"pay": graph()}, encryption_keys=KEY)
    for _ in range(2):
        metadata = (await get_state(desk.office, Place(thread_id="t")))["metadata"]
        assert (metadata["sealed"], metadata["source"]) == ("with wax", "loop")
        await encrypt_all(desk.office.database)


async def test_what_is_streamed_is_encrypted(open_desk: OpenDesk, database_url: str) -> None:
    desk = await open_desk({"pay": graph()}, encryption_keys=KEY)
    given = {"text": f"{SECRET}-input"}
    await desk.start("pay", given, thread_id="t", by="sales", stream=["values"])
    await settled(desk, "t")
    seen = [event.data async for event in desk.stream("t", until_rest=True)]
    assert any(f"{SECRET}-input!" in str(event) for event in seen)
    tables = dump(database_url)
    assert tables["signoff.stream_events"].count("sealed:1:") >= 2
    assert SECRET not in tables["signoff.stream_events"]


def echo(state: State) -> State:
    answer = ask(state["text"], show={"text": state["text"]}, actions=["approve"])
    return {"answer": {"note": answer.note}}


def repeat(state: State) -> State:
    return {"text": interrupt(state["text"])}


def echoes() -> StateGraph[Any]:
    builder = StateGraph(State)
    builder.add_node("echo", echo)
    builder.add_node("repeat", repeat)
    builder.add_edge(START, "echo")
    builder.add_edge("echo", "repeat")
    return builder


LOOKALIKES = {
    "plain": "sealed:1:",
    "named": f"sealed:1:{key_id(bytes([1] * 32))}: with wax",
    "whole": f"sealed:1:{key_id(bytes([1] * 32))}:{base64.b64encode(bytes(60)).decode()}",
}
"""What people may say that looks as if it were encrypted."""


async def say(desk: Signoff, thread_id: str, text: str) -> None:
    """Have a text stand wherever people and graphs can put one."""
    config = {"configurable": {"sealed": text}}
    await desk.start("echo", {"text": text}, thread_id=thread_id, by="sales", config=config)
    await settled(desk, thread_id)
    [request] = (await desk.requests(thread_id=thread_id)).items
    await desk.comment(request.id, text, by="jane")
    await desk.decide(request.id, "approve", note=text, by="jane")
    await settled(desk, thread_id)


async def is_said(desk: Signoff, thread_id: str, text: str) -> None:
    """It is what it was, everywhere."""
    thread = await desk.thread(thread_id)
    assert thread.values == {"text": text, "answer": {"note": text}}
    asked, repeated = reversed((await desk.requests(thread_id=thread_id)).items)
    assert (asked.title, asked.payload["show"]) == (text, {"text": text})
    assert [comment.text for comment in asked.comments] == [text]
    assert [vote.note for vote in asked.votes] == [text]
    assert asked.outcome is not None
    assert asked.outcome.note == text
    assert repeated.payload == text
    state = await get_state(desk.office, Place(thread_id=thread_id))
    assert (state["values"]["text"], state["metadata"]["sealed"]) == (text, text)


async def test_a_text_from_before_that_looks_encrypted_is_what_it_was(open_desk: OpenDesk) -> None:
    plain_desk = await open_desk({"echo": echoes()})
    for thread_id, text in LOOKALIKES.items():
        await say(plain_desk, thread_id, text)
    await plain_desk.__aexit__(None, None, None)

    desk = await open_desk({"echo": echoes()}, encryption_keys=KEY)
    for thread_id, text in LOOKALIKES.items():
        await is_said(desk, thread_id, text)
    await encrypt_all(desk.office.database)
    await desk.__aexit__(None, None, None)

    strict = await open_desk({"echo": echoes()}, encryption_keys=KEY, encryption_strict=True)
    for thread_id, text in LOOKALIKES.items():
        await is_said(strict, thread_id, text)
        [request] = (await strict.requests(thread_id=thread_id, state=["open"])).items
        await strict.decide(request.id, "respond", values={"value": text}, by="jane")
        assert (await settled(strict, thread_id)).values["text"] == text


async def test_a_text_that_looks_encrypted_is_encrypted_like_any_other(
    open_desk: OpenDesk, database_url: str
) -> None:
    desk = await open_desk({"echo": echoes()}, encryption_keys=KEY)
    for thread_id, text in LOOKALIKES.items():
        await say(desk, thread_id, text)
        await is_said(desk, thread_id, text)
    whole = LOOKALIKES["whole"]
    assert {table for table, text in dump(database_url).items() if whole in text} == set()


async def test_processes_may_begin_to_encrypt_at_once(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def takes_long(conn: Connection, _: object) -> None:
        begun.append(conn)
        await conn.execute("SELECT pg_sleep(0.5)")  # longer than anybody without a key may take

    begun: list[Connection] = []
    monkeypatch.setattr(encryption, "PATIENCE", "100ms")
    monkeypatch.setattr(resealing, "seal_lookalikes", takes_long)
    opening = (open_desk({"pay": graph()}, work=False, encryption_keys=KEY) for _ in range(3))
    await asyncio.gather(*opening)
    assert len(begun) == 1


async def signs_in(desk: Signoff) -> str:
    """Somebody whom a provider has signed in; the token of their session."""
    office = desk.office
    await put_users(office, [User(name="jane")])
    given = Beginning(
        user="jane",
        method="oidc",
        at=office.now(),
        authenticated_at=None,
        address="::1",
        id_token=f"{SECRET}-token",
    )
    async with office.database.transaction() as conn:
        return await begin(conn, office, given, instead_of=None)


async def test_what_a_provider_says_of_somebody_is_encrypted_and_stays_theirs(
    open_desk: OpenDesk, database_url: str, clock: Clock
) -> None:
    desk = await open_desk({"pay": graph()}, encryption_keys=KEY, now=clock)
    token = await signs_in(desk)
    assert {table for table, text in dump(database_url).items() if SECRET in text} == set()
    await desk.__aexit__(None, None, None)

    desk = await open_desk({"pay": graph()}, encryption_keys=f"{NEWER} {KEY}", now=clock)
    clock.forward(timedelta(hours=2))
    there = await signed_in(desk.office, token, rotate=True)
    assert there is not None
    assert there.token is not None, "a new token, and the same session"
    assert len((await encrypt_all(desk.office.database)).forgotten) == 1
    await desk.__aexit__(None, None, None)

    desk = await open_desk(
        {"pay": graph()}, encryption_keys=NEWER, encryption_strict=True, now=clock
    )
    ended = await sign_out(desk.office, there.token)
    assert ended is not None
    assert ended.id_token == f"{SECRET}-token"


async def test_one_can_sign_out_whatever_somebody_has_done_to_the_database(
    open_desk: OpenDesk, database_url: str
) -> None:
    desk = await open_desk({"pay": graph()}, encryption_keys=KEY)
    token, other = await signs_in(desk), await signs_in(desk)
    with psycopg.connect(database_url, options="-c search_path=signoff") as conn:
        conn.execute(
            "UPDATE sessions SET id_token = (SELECT id_token FROM sessions WHERE hash = %s)"
            " WHERE hash = %s",
            (digest(other), digest(token)),
        )
    ended = await sign_out(desk.office, token)
    assert ended is not None
    assert ended.id_token is None
    assert await signed_in(desk.office, token) is None
