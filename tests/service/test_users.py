"""Users, those of the file among them, and policies that name them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import pytest
from langgraph.graph import START, StateGraph
from structlog.testing import capture_logs

from signoff import Signoff, ask
from signoff.db import audit
from signoff.domain.audit import ACCESS
from signoff.domain.errors import Forbidden, InvalidPolicy
from signoff.domain.user import User
from signoff.policies.file import PolicyFile
from signoff.project import preferences
from signoff.service.users import change_user, declare_users, list_users, put_users, remove_user
from tests.conftest import OpenDesk

JANE = User(name="jane", groups=("legal",))
TOM = User(name="tom", groups=("legal", "board"))


async def test_what_a_command_changed_stays_until_the_file_says_something_new(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({}, work=False)
    office = desk.office
    await declare_users(office.database, [TOM, JANE])
    await change_user(office, "jane", lambda user: replace(user, groups=("hr",)))
    await put_users(office, [User(name="ann")])
    await declare_users(office.database, [JANE])
    assert await list_users(office) == [User(name="ann"), replace(JANE, groups=("hr",)), TOM]
    await declare_users(office.database, [replace(JANE, email="j@firm.com")], forget_others=True)
    assert await list_users(office) == [User(name="ann"), replace(JANE, email="j@firm.com")]


async def test_what_people_chose_themselves_stays_whatever_the_file_says(
    open_desk: OpenDesk,
) -> None:
    office = (await open_desk({}, work=False)).office
    said = preferences.read({"quiet": "20:00-07:00", "timezone": "Europe/Berlin"})
    jane = replace(JANE, addresses=("slack://a/b/c",), preferences=said)
    await declare_users(office.database, [jane])
    assert await list_users(office) == [jane]
    chosen = preferences.read({"notify": [], "digest": "daily 09:30"})
    await change_user(office, "jane", lambda user: replace(user, chosen=chosen), by="jane")
    await declare_users(office.database, [replace(jane, groups=("hr",))])
    assert await list_users(office) == [replace(jane, groups=("hr",), chosen=chosen)]


async def test_the_audit_says_how_somebody_is_told_but_no_secret(open_desk: OpenDesk) -> None:
    office = (await open_desk({}, work=False)).office
    await put_users(office, [replace(JANE, addresses=("slack://TokenA/TokenB/TokenC",))])
    async with office.database.connection() as conn:
        entries = await audit.of_thread(conn, ACCESS)
    assert "slack://…" in str(entries)
    assert "Token" not in str(entries)


async def test_many_processes_that_begin_at_once_keep_the_same_users(open_desk: OpenDesk) -> None:
    desk = await open_desk({}, work=False)
    people = [User(name=f"user-{n}") for n in range(20)]
    orders = [people, people[::-1], people[10:] + people[:10]] * 3
    await asyncio.gather(*(declare_users(desk.office.database, order) for order in orders))
    assert {user.name for user in await list_users(desk.office)} == {p.name for p in people}


async def test_a_desk_does_not_open_with_policies_for_a_group_that_there_is_not(
    database_url: str, tmp_path: Path, open_desk: OpenDesk
) -> None:
    file = tmp_path / "signoff.toml"
    file.write_text('[policy]\nto = "group:legal"\n')
    with pytest.raises(InvalidPolicy, match=r"signoff.toml:2: to names 'legal'") as caught:
        async with Signoff(database_url, {}, file, work=False):
            pass
    assert [error.pointer for error in caught.value.errors] == ["/policy/to"]
    desk = await open_desk({}, work=False)
    await put_users(desk.office, [JANE])
    async with Signoff(database_url, {}, file, work=False):
        pass


async def test_a_changed_file_that_names_a_stranger_holds_once_the_stranger_is_known(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "signoff.toml"
    file.write_text('[policy]\nto = "group:legal"\n[[user]]\nname = "jane"\ngroups = ["legal"]\n')
    policies = PolicyFile(file)
    async with Signoff(database_url, {}, file, work=False, policies=policies) as desk:
        assert [rule.policy.to for rule in policies().rules] == [("group:legal",)]
        text = file.read_text().replace("group:legal", "group:board")
        with capture_logs() as logs:
            file.write_text(text)
            assert [rule.policy.to for rule in policies().rules] == [("group:legal",)]
            assert [rule.policy.to for rule in policies().rules] == [("group:legal",)]
        [said] = logs
        assert "signoff.toml:2: to names 'board'" in said["problems"]
        told = asyncio.Event()
        know = policies.know

        def tell(users: Sequence[User]) -> None:
            know(users)
            if TOM in users:
                told.set()

        monkeypatch.setattr(policies, "know", tell)
        await put_users(desk.office, [TOM])
        await asyncio.wait_for(told.wait(), 10)
        assert [rule.policy.to for rule in policies().rules] == [("group:board",)]
        # What holds goes on to hold when people go.
        await remove_user(desk.office, "tom")
        assert [rule.policy.to for rule in policies().rules] == [("group:board",)]


class State(TypedDict, total=False):
    to: str | list[str]
    by: str | None
    ready: str | None


def review(state: State) -> State:
    return {"by": ask("Sign?", actions=["approve"], to=state["to"]).by}


REVIEWS = StateGraph(State).add_node("review", review).add_edge(START, "review")


@pytest.fixture
async def legal_desk(database_url: str, tmp_path: Path) -> AsyncIterator[Signoff]:
    """A desk that knows jane, who is in legal."""
    file = tmp_path / "signoff.toml"
    file.write_text('[[user]]\nname = "jane"\ngroups = ["legal"]\n')
    async with Signoff(database_url, {"reviews": REVIEWS}, file) as desk:
        yield desk


@pytest.mark.parametrize(
    ("to", "refusal"),
    [
        ("group:board", "policy.to names 'board', and there is no such group"),
        ("group:lega", r"policy.to names 'lega', .* no such group \(did you mean legal\?\)"),
        (["jane", "group:Legal"], "policy.to names 'Legal', and there is no such group"),
    ],
)
async def test_a_call_for_a_group_that_there_is_not_is_refused_at_the_call(
    legal_desk: Signoff, to: str | list[str], refusal: str
) -> None:
    run = await legal_desk.start("reviews", {"to": to}, by="sales")
    thread = await legal_desk.wait(run.thread_id, timeout=30)
    assert thread.status == "error"
    assert re.search(refusal, thread.error or ""), thread.error
    assert (await legal_desk.requests(thread_id=run.thread_id)).total == 0


async def test_a_call_may_name_somebody_who_signs_in_later(legal_desk: Signoff) -> None:
    run = await legal_desk.start("reviews", {"to": ["tom", "ann@firm.com"]}, by="sales")
    assert (await legal_desk.wait(run.thread_id, timeout=30)).status == "interrupted"
    [request] = (await legal_desk.requests(thread_id=run.thread_id)).items
    with pytest.raises(Forbidden):
        await legal_desk.decide(request.id, "approve", by="jane")
    await legal_desk.decide(request.id, "approve", by="ann@firm.com")
    assert (await legal_desk.wait(run.thread_id, timeout=30)).status == "idle"


async def test_a_call_for_a_group_that_has_just_been_added_is_not_refused(
    legal_desk: Signoff,
) -> None:
    await put_users(legal_desk.office, [TOM])
    run = await legal_desk.start("reviews", {"to": "group:board"}, by="sales")
    assert (await legal_desk.wait(run.thread_id, timeout=30)).status == "interrupted"


async def test_what_was_answered_goes_on_when_its_group_is_gone(legal_desk: Signoff) -> None:
    await put_users(legal_desk.office, [TOM])
    run = await legal_desk.start("reviews", {"to": ["group:board", "jane"]}, by="sales")
    await legal_desk.wait(run.thread_id, timeout=30)
    [request] = (await legal_desk.requests(thread_id=run.thread_id)).items
    await remove_user(legal_desk.office, "tom")
    with pytest.raises(Forbidden):
        await legal_desk.decide(request.id, "approve", by="tom")
    await legal_desk.decide(request.id, "approve", by="jane")
    thread = await legal_desk.wait(run.thread_id, timeout=30)
    assert (thread.error, thread.values["by"]) == (None, "jane")


async def test_what_is_open_stays_open_when_its_group_is_gone_and_its_node_runs_again(
    database_url: str, tmp_path: Path
) -> None:
    def prepare(state: State) -> State:
        return {"ready": ask("Ready?", actions=["approve"], to="jane").by}

    graph = StateGraph(State).add_node("review", review).add_node("prepare", prepare)
    graph.add_edge(START, "review").add_edge(START, "prepare")
    async with Signoff(database_url, {"both": graph}, tmp_path / "signoff.toml") as desk:
        await put_users(desk.office, [JANE, TOM])
        run = await desk.start("both", {"to": "group:board"}, by="sales")
        await desk.wait(run.thread_id, timeout=30)
        await remove_user(desk.office, "tom")
        [ready] = (await desk.requests(thread_id=run.thread_id, node="prepare")).items
        # LangGraph runs the other branch again, which asks as before.
        await desk.decide(ready.id, "approve", by="jane")
        thread = await desk.wait(run.thread_id, timeout=30)
        assert (thread.status, thread.error) == ("interrupted", None)
        [left] = (await desk.requests(thread_id=run.thread_id, state="open")).items
        assert left.pause.node == "review"


async def test_a_desk_that_knows_no_users_takes_any_name(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "signoff.toml"
    file.write_text('[policy]\nto = "jane@firm.com"\n')
    async with Signoff(database_url, {"reviews": REVIEWS}, file) as desk:
        run = await desk.start("reviews", {"to": "group:board"}, by="sales")
        assert (await desk.wait(run.thread_id, timeout=30)).status == "interrupted"
        await put_users(desk.office, [TOM])
    with capture_logs() as said:
        async with Signoff(database_url, {}, file, work=False):
            pass
    assert "names 'jane@firm.com', and there is no such user" in str(said)
