"""`signoff deliveries`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from signoff import Signoff
from signoff.config import Settings
from signoff.domain.user import User
from signoff.service.users import put_users
from tests.api.test_deliveries import Refusing
from tests.cli.conftest import Begin, Cli
from tests.helpers import all_told


@pytest.fixture
def given_up(begin: Begin, database_url: str, tmp_path: Path) -> str:
    """The id of a request that jane could not be told of."""
    request_id = begin()

    async def tell() -> None:
        settings = Settings(data_dir=tmp_path)
        async with Signoff(database_url, {}, settings, work=False) as desk:
            await put_users(desk.office, [User(name="jane", email="jane@firm.com")])
            desk.office.channels["email"] = Refusing()
            await all_told(desk)

    asyncio.run(tell())
    return request_id


def test_what_was_given_up_is_listed_shown_and_sent_again(signoff: Cli, given_up: str) -> None:
    [found] = signoff("deliveries", "list", "--state", "dead", "--json").json["items"]
    assert (found["to"], found["request_id"]) == ("jane", given_up)
    assert "jane" in signoff("deliveries", "list").out
    assert signoff("deliveries", "list", "--state", "sent").out == "No deliveries here.\n"
    shown = signoff("deliveries", "show", found["id"])
    assert "no such mailbox" in shown.out
    assert "jane@firm.com" in shown.out
    again = signoff("deliveries", "redeliver", found["id"], "--by", "op")
    assert again.out == f"{found['id']} is sent again.\n"
    refused = signoff("deliveries", "redeliver", found["id"])
    assert (refused.code, "not given up" in refused.err) == (1, True)
    assert signoff("deliveries", "redeliver", "--all", "--json").json == {"redelivered": 0}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["list", "--state", "lost"], 1, "is one of waiting"),
        (["list", "--request", "x"], 1, "no id"),
        (["show", "x"], 1, "no delivery x"),
        (["redeliver"], 2, "--all"),
        (["redeliver", "x", "--all"], 2, "--all"),
    ],
)
def test_what_cannot_be_is_refused(
    signoff: Cli, arguments: list[str], code: int, said: str
) -> None:
    result = signoff("deliveries", *arguments)
    assert (result.code, said in result.err) == (code, True), result.err
