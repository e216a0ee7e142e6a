"""Users, those of the file among them, and policies that name them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from signoff import Signoff
from signoff.domain.errors import InvalidPolicy
from signoff.domain.user import User
from signoff.policies import PolicyFile
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
