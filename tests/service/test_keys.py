"""API keys: shown once, kept as a hash, known without a query, and of no use once revoked."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from signoff import Signoff
from signoff.db import audit
from signoff.domain.audit import ACCESS
from signoff.domain.errors import (
    InvalidInput,
    KeyNotFound,
    RateLimited,
    Unauthenticated,
    UserNotFound,
)
from signoff.domain.principal import Role
from signoff.domain.user import User
from signoff.service import keyring
from signoff.service.keys import create_key, list_keys, revoke_key
from signoff.service.users import change_user, put_users, remove_user
from tests.api import graphs
from tests.conftest import Clock, OpenDesk


@pytest.fixture
async def desk(open_desk: OpenDesk, clock: Clock) -> Any:
    """A desk with a clock that the test moves."""
    return await open_desk({}, work=False, now=clock)


async def entries(desk: Signoff) -> list[dict[str, Any]]:
    async with desk.office.database.connection() as conn:
        return await audit.of_thread(conn, ACCESS)


async def refused(desk: Signoff, text: str) -> None:
    with pytest.raises(Unauthenticated):
        await desk.office.keyring.principal(text)


async def test_who_shows_a_key_acts_by_its_name_and_with_its_rights(desk: Signoff) -> None:
    key, text = await create_key(
        desk.office, "ci", by="ann", role=Role.OPERATOR, groups=["group:bots"], graphs=["risk"]
    )
    principal = await desk.office.keyring.principal(text)
    assert (principal.name, principal.role) == ("key:ci", Role.OPERATOR)
    assert (principal.groups, principal.graphs) == ({"bots"}, {"risk"})
    assert key.id in principal.method


async def test_nothing_that_is_kept_opens(desk: Signoff) -> None:
    _, text = await create_key(desk.office, "ci", by="ann")
    secret = text.rpartition("_")[2] if text.count("_") == 2 else text[21:]
    async with desk.office.database.connection() as conn:
        for table in ("keys", "audit"):
            rows = await (await conn.execute(f"SELECT t::text AS row FROM {table} t")).fetchall()
            assert rows
            assert all(secret not in row["row"] for row in rows)


@pytest.mark.parametrize("change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), str.upper])
async def test_a_key_that_is_not_quite_right_opens_nothing(desk: Signoff, change: Any) -> None:
    _, text = await create_key(desk.office, "ci", by="ann")
    await refused(desk, change(text))
    await desk.office.keyring.principal(text)
    await refused(desk, change(text))
    await refused(desk, f"signoff_{'0' * 12}_{text[-43:]}")


async def test_a_key_opens_until_it_expires(desk: Signoff, clock: Clock) -> None:
    until = clock() + timedelta(days=90)
    _, text = await create_key(desk.office, "ci", by="ann", expires_at=until)
    await desk.office.keyring.principal(text)
    clock.forward(timedelta(days=90))
    await refused(desk, text)
    with pytest.raises(InvalidInput, match="passed"):
        await create_key(desk.office, "ci", by="ann", expires_at=until)


async def test_a_revoked_key_opens_nothing_here_or_elsewhere(
    desk: Signoff, open_desk: OpenDesk
) -> None:
    other = await open_desk({}, work=False)
    one, text = await create_key(desk.office, "ci", by="ann")
    _, second = await create_key(desk.office, "ci", by="ann")
    await desk.office.keyring.principal(text)
    await other.office.keyring.principal(text)
    told = asyncio.Event()
    forget = other.notices.on_access

    def forgotten() -> None:
        forget()
        told.set()

    other.notices.on_access = forgotten
    [revoked] = await revoke_key(desk.office, one.id, by="bob")
    assert revoked.revoked_at is not None
    await refused(desk, text)
    await asyncio.wait_for(told.wait(), 30)
    await refused(other, text)
    await desk.office.keyring.principal(second)
    assert [key.id for key in await revoke_key(desk.office, "ci", by="bob")] != [one.id]
    await refused(desk, second)
    with pytest.raises(KeyNotFound):
        await revoke_key(desk.office, "ci", by="bob")


async def test_a_known_key_costs_no_query_and_use_is_noted_now_and_then(
    desk: Signoff, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = await create_key(desk.office, "ci", by="ann")
    await desk.office.keyring.principal(text)
    first = clock()
    clock.forward(timedelta(seconds=59))
    with monkeypatch.context() as patch:
        patch.setattr(desk.office.database, "connection", None)
        patch.setattr(desk.office.database, "taking", None)
        await desk.office.keyring.principal(text)
    [key] = await list_keys(desk.office)
    assert key.last_used_at == first
    clock.forward(timedelta(seconds=1))
    await desk.office.keyring.principal(text)
    [key] = await list_keys(desk.office)
    assert key.last_used_at == clock()


async def test_nothing_is_believed_while_nobody_tells_of_changes(desk: Signoff) -> None:
    key, text = await create_key(desk.office, "ci", by="ann")
    await desk.office.keyring.principal(text)
    desk.notices.listening = False
    async with desk.office.database.connection() as conn:
        await conn.execute("UPDATE keys SET revoked_at = now() WHERE id = %s", (key.id,))
    await refused(desk, text)


async def test_a_key_for_a_user_follows_the_user(desk: Signoff) -> None:
    with pytest.raises(UserNotFound):
        await create_key(desk.office, "laptop", by="ann", user="jane")
    await put_users(desk.office, [User(name="jane", role=Role.OPERATOR, graphs=("risk",))])
    _, text = await create_key(desk.office, "laptop", by="ann", user="jane")
    principal = await desk.office.keyring.principal(text)
    assert (principal.name, principal.role, principal.graphs) == ("jane", Role.OPERATOR, {"risk"})
    await change_user(desk.office, "jane", lambda user: User(name=user.name, role=Role.VIEWER))
    principal = await desk.office.keyring.principal(text)
    assert (principal.role, principal.graphs) == (Role.VIEWER, None)
    await remove_user(desk.office, "jane", by="bob")
    await refused(desk, text)
    await put_users(desk.office, [User(name="jane")])
    await refused(desk, text)
    [key] = await list_keys(desk.office)
    assert key.revoked_at is not None


async def test_every_change_of_a_key_or_a_user_is_in_the_audit(desk: Signoff) -> None:
    key, _ = await create_key(desk.office, "ci", by="ann")
    await revoke_key(desk.office, "ci", by="bob")
    await put_users(desk.office, [User(name="jane")], by="carl")
    await put_users(desk.office, [User(name="jane")], by="carl")
    await change_user(
        desk.office, "jane", lambda user: User(name=user.name, role=Role.ADMIN), by="dan"
    )
    await create_key(desk.office, "laptop", by="dan", user="jane")
    await remove_user(desk.office, "jane", by="eve")
    found = await entries(desk)
    assert [(each["event"], each["by"]) for each in found] == [
        ("key.created", "ann"),
        ("key.revoked", "bob"),
        ("user.added", "carl"),
        ("user.changed", "dan"),
        ("key.created", "dan"),
        ("user.removed", "eve"),
        ("key.revoked", "eve"),
    ]
    assert found[0]["data"]["key"] == key.id
    assert [found[3]["data"][each]["role"] for each in ("before", "after")] == ["reviewer", "admin"]


async def test_a_key_is_for_graphs_that_there_are(open_desk: OpenDesk) -> None:
    desk = await open_desk({"drafts": graphs.drafts()}, work=False)
    with pytest.raises(InvalidInput, match="did you mean drafts"):
        await create_key(desk.office, "ci", by="ann", graphs=["draft"])
    with pytest.raises(InvalidInput, match="of the user"):
        await create_key(desk.office, "ci", by="ann", user="jane", groups=["bots"])
    with pytest.raises(InvalidInput, match="printable"):
        await create_key(desk.office, "a\tb", by="ann")


async def test_calls_with_one_key_are_limited_and_others_go_on(
    desk: Signoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(keyring.time, "monotonic", lambda: now[0])
    ring = desk.office.keyring
    ring.rates.per_minute = 60
    _, text = await create_key(desk.office, "ci", by="ann")
    _, other = await create_key(desk.office, "other", by="ann")
    for _ in range(10):
        await ring.principal(text)
    with pytest.raises(RateLimited) as error:
        await ring.principal(text)
    assert error.value.retry_after == timedelta(seconds=1)
    await ring.principal(other)
    await refused(desk, text[:-1] + ("A" if text[-1] != "A" else "B"))
    now[0] += 1
    await ring.principal(text)
    with pytest.raises(RateLimited):
        await ring.principal(text)
    now[0] += 3600
    for _ in range(10):
        await ring.principal(text)
