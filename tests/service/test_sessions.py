"""Signing in: with the right password, not too often, for as long as a session goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from signoff import Signoff
from signoff.db import audit
from signoff.domain.audit import ACCESS
from signoff.domain.errors import InvalidInput, RateLimited, Unauthenticated, UserNotFound
from signoff.domain.principal import Role
from signoff.domain.session import SessionRules
from signoff.domain.user import User
from signoff.service import sessions
from signoff.service.sessions import (
    OVERLAP,
    TRIES,
    WINDOW,
    can_anybody_come_in,
    set_password,
    sign_in,
    sign_out,
    sign_out_user,
    signed_in,
)
from signoff.service.users import put_users, remove_user
from tests.conftest import Clock, OpenDesk

IDLE, AT_MOST, ROTATED = SessionRules().idle, SessionRules().longest, SessionRules().rotation

PASSWORD = "correct horse battery"


class Quick:
    """In place of Argon2, which is made to be slow: tests of it are further down."""

    def hash(self, password: str) -> str:
        return f"quick {password}"

    def verify(self, hash: str, password: str) -> bool:
        return hash == f"quick {password}"

    def check_needs_rehash(self, hash: str) -> bool:
        return False


@pytest.fixture
async def desk(open_desk: OpenDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A desk with jane, who has a password, and a clock that the test moves."""
    monkeypatch.setattr(sessions, "_hasher", Quick)
    desk = await open_desk({}, work=False, now=clock)
    await put_users(desk.office, [User(name="jane", role=Role.OPERATOR, graphs=("risk",))])
    await set_password(desk.office, "jane", PASSWORD, by="ann")
    return desk


async def enter(desk: Signoff, password: str = PASSWORD, **other: str) -> str:
    return await sign_in(
        desk.office, other.get("name", "jane"), password, address=other.get("address", "10.0.0.1")
    )


async def events(desk: Signoff) -> list[str]:
    async with desk.office.database.connection() as conn:
        return [each["event"] for each in await audit.of_thread(conn, ACCESS)]


async def is_in(desk: Signoff, token: str) -> bool:
    return await signed_in(desk.office, token) is not None


async def test_who_signs_in_acts_with_their_rights_until_they_sign_out(
    desk: Signoff, clock: Clock
) -> None:
    token = await enter(desk)
    found = await signed_in(desk.office, token)
    assert found is not None
    principal = found.principal
    assert (principal.name, principal.role, principal.graphs) == ("jane", Role.OPERATOR, {"risk"})
    assert (principal.method, principal.signed_in_at) == ("password", clock())
    await sign_out(desk.office, token)
    assert not await is_in(desk, token)
    await sign_out(desk.office, token)
    assert (await events(desk))[-2:] == ["user.signed_in", "user.signed_out"]


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("jane", "wrong horse battery"),
        ("jane", ""),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("jane\x00", "x"),
        ("\udc80", "x"),
    ],
)
async def test_any_other_pair_is_refused_alike(desk: Signoff, name: str, password: str) -> None:
    with pytest.raises(Unauthenticated, match="name or the password"):
        await enter(desk, password, name=name)
    assert (await events(desk))[-1] == "user.sign_in_failed"


async def test_attempts_are_limited_also_many_at_once_and_then_the_right_password_waits_too(
    desk: Signoff, clock: Clock
) -> None:
    async def attempt(_: int) -> type[Exception]:
        with pytest.raises((Unauthenticated, RateLimited)) as error:
            await enter(desk, "wrong horse battery")
        return error.type

    tried = await asyncio.gather(*map(attempt, range(2 * TRIES)))
    assert tried.count(Unauthenticated) == TRIES
    with pytest.raises(RateLimited):
        await enter(desk)
    await enter(desk, address="10.0.0.2")
    clock.forward(WINDOW)
    await enter(desk)


async def test_attempts_from_one_address_are_limited_whatever_the_name(desk: Signoff) -> None:
    refused = 0
    for n in range(10 * TRIES + 1):
        with pytest.raises((Unauthenticated, RateLimited)) as error:
            await enter(desk, "wrong horse battery", name=f"user-{n}")
        refused += error.type is RateLimited
    assert refused == 1


async def test_one_address_alone_locks_nobody_out_and_fills_no_table(desk: Signoff) -> None:
    for _ in range(20 * TRIES):
        with pytest.raises((Unauthenticated, RateLimited)):
            await enter(desk, "wrong horse battery", address="203.0.113.66")
    await enter(desk, address="10.0.0.1")
    async with desk.office.database.connection() as conn:
        cursor = await conn.execute("SELECT count(*) AS n FROM sign_in_attempts")
        [row] = await cursor.fetchall()
    assert row["n"] <= 3 * (TRIES + 1)


async def test_a_session_ends_when_idle_and_in_any_case(desk: Signoff, clock: Clock) -> None:
    idle, busy = await enter(desk), await enter(desk)
    begun = clock()
    clock.forward(IDLE)
    assert await is_in(desk, busy)
    clock.forward(timedelta(seconds=1))
    assert not await is_in(desk, idle)
    while clock() <= begun + AT_MOST - IDLE / 2:
        assert await is_in(desk, busy)
        clock.forward(IDLE / 2)
    clock.time = begun + AT_MOST
    assert await is_in(desk, busy)
    clock.forward(timedelta(seconds=1))
    assert not await is_in(desk, busy)
    assert (await events(desk)).count("user.session_expired") == 2


async def test_an_old_token_is_replaced_once_and_opens_a_moment_longer(
    desk: Signoff, clock: Clock
) -> None:
    old = await enter(desk)
    clock.forward(ROTATED + timedelta(seconds=1))
    found = await asyncio.gather(*(signed_in(desk.office, old, rotate=True) for _ in range(8)))
    [new] = [each.token for each in found if each is not None and each.token is not None]
    assert len([each for each in found if each is not None]) == 8
    clock.forward(OVERLAP)
    assert await is_in(desk, old)
    assert await is_in(desk, new)
    assert (await signed_in(desk.office, new, rotate=True)).token is None  # type: ignore[union-attr]


async def test_a_copy_of_a_replaced_token_ends_the_session(desk: Signoff, clock: Clock) -> None:
    old = await enter(desk)
    clock.forward(ROTATED + timedelta(seconds=1))
    found = await signed_in(desk.office, old, rotate=True)
    assert found is not None
    assert found.token is not None
    clock.forward(OVERLAP + timedelta(seconds=1))
    assert not await is_in(desk, old)
    assert not await is_in(desk, found.token)
    assert (await events(desk))[-1] == "user.session_revoked"


async def test_the_settings_say_how_long_a_session_goes_on(
    open_desk: OpenDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_hasher", Quick)
    settings = {"session_idle": "10m", "session_longest": "1h", "session_rotation": "5m"}
    desk = await open_desk({}, work=False, now=clock, **settings)
    await put_users(desk.office, [User(name="jane")])
    await set_password(desk.office, "jane", PASSWORD, by="ann")
    idle, busy = await enter(desk), await enter(desk)
    for _ in range(6):
        clock.forward(timedelta(minutes=10))
        found = await signed_in(desk.office, busy, rotate=True)
        assert found is not None
        assert found.token is not None
        busy = found.token
    clock.forward(timedelta(seconds=1))
    assert not await is_in(desk, busy)
    assert not await is_in(desk, idle)


async def test_signing_in_ends_the_session_that_the_browser_had(desk: Signoff) -> None:
    first, elsewhere = await enter(desk), await enter(desk)
    second = await sign_in(desk.office, "jane", PASSWORD, address="10.0.0.1", instead_of=first)
    assert [await is_in(desk, each) for each in (first, elsewhere, second)] == [False, True, True]


async def test_an_admin_signs_a_user_out_everywhere(desk: Signoff) -> None:
    await put_users(desk.office, [User(name="tom")])
    await set_password(desk.office, "tom", PASSWORD, by="ann")
    tokens = [await enter(desk), await enter(desk), await enter(desk, name="tom")]
    assert await sign_out_user(desk.office, "jane", by="ann") == 2
    assert [await is_in(desk, token) for token in tokens] == [False, False, True]
    async with desk.office.database.connection() as conn:
        entry = (await audit.of_thread(conn, ACCESS))[-1]
    assert (entry["event"], entry["by"]) == ("user.signed_out", "ann")
    assert entry["data"] == {"user": "jane", "sessions_ended": 2}
    assert await sign_out_user(desk.office, "jane", by="ann") == 0
    with pytest.raises(UserNotFound):
        await sign_out_user(desk.office, "nobody", by="ann")


@pytest.mark.parametrize("how", ["everywhere", "password", "no password", "removed"])
async def test_all_sessions_of_a_user_end_at_once(desk: Signoff, how: str) -> None:
    tokens = [await enter(desk) for _ in range(3)]
    match how:
        case "everywhere":
            await sign_out(desk.office, tokens[0], everywhere=True)
        case "password":
            await set_password(desk.office, "jane", "another horse battery", by="jane")
        case "no password":
            await set_password(desk.office, "jane", None, by="ann")
            assert not await can_anybody_come_in(desk.office)
        case "removed":
            await remove_user(desk.office, "jane", by="ann")
            await put_users(desk.office, [User(name="jane")])
    assert [await is_in(desk, token) for token in tokens] == [False] * 3
    if how != "everywhere":
        with pytest.raises(Unauthenticated):
            await enter(desk)


async def test_what_is_no_token_opens_nothing(desk: Signoff) -> None:
    token = await enter(desk)
    for wrong in ("", "x", token[:-1], token + "x", token.swapcase(), "\udc80"):
        assert not await is_in(desk, wrong)


async def test_a_password_is_long_enough_and_for_a_user(desk: Signoff) -> None:
    for wrong in ("", "eleven char", "x" * 1001):
        with pytest.raises(InvalidInput, match="12 to 1000"):
            await set_password(desk.office, "jane", wrong, by="ann")
    with pytest.raises(UserNotFound):
        await set_password(desk.office, "nobody", PASSWORD, by="ann")
    await enter(desk)


async def test_passwords_are_kept_as_argon2id_and_nothing_kept_opens(open_desk: OpenDesk) -> None:
    desk = await open_desk({}, work=False)
    await put_users(desk.office, [User(name="jane")])
    assert not await can_anybody_come_in(desk.office)
    await set_password(desk.office, "jane", PASSWORD, by="ann")
    assert await can_anybody_come_in(desk.office)
    token = await enter(desk)
    with pytest.raises(Unauthenticated):
        await enter(desk, PASSWORD + "!")
    async with desk.office.database.connection() as conn:
        for table in ("users", "sessions", "audit", "sign_in_attempts"):
            rows = await (await conn.execute(f"SELECT t::text AS row FROM {table} t")).fetchall()
            assert all(PASSWORD not in each["row"] and token not in each["row"] for each in rows)
        [row] = await (await conn.execute("SELECT password FROM users")).fetchall()
    assert row["password"].startswith("$argon2id$")
