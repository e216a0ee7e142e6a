"""`/preferences`: how whoever calls is told of requests."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from signoff import Signoff
from signoff.client import Preferences
from signoff.db import audit
from signoff.domain.audit import ACCESS
from signoff.domain.principal import Role
from signoff.domain.user import User
from signoff.project import preferences
from signoff.service.users import get_user, put_users
from tests.api.conftest import client_of, problem
from tests.conftest import OpenDesk
from tests.people import as_, named

SAID = preferences.read({"quiet": "22:00-06:00", "timezone": "Europe/Berlin"})
CHOSEN: dict[str, Any] = {
    "notify": {"channels": ["email"], "occasions": ["opened", "decided"], "about": "me"},
    "quiet": {"hours": "20:00-07:00", "days": ["sat", "sun"], "urgent": False},
    "digest": "daily 08:30",
    "timezone": "Asia/Kolkata",
}


@pytest.fixture
async def desk(open_desk: OpenDesk) -> Signoff:
    """A desk that knows jane, who has an e-mail address."""
    desk: Signoff = await open_desk({}, work=False)
    jane = User(name="jane", role=Role.VIEWER, email="jane@firm.com", preferences=SAID)
    await put_users(desk.office, [jane])
    return desk


def caller(desk: Signoff, name: str = "jane") -> httpx.AsyncClient:
    return client_of(desk.asgi_app(authenticate=named), as_(name))


async def test_what_one_chooses_holds_until_one_goes_back_to_what_is_said(desk: Signoff) -> None:
    async with caller(desk) as http:
        assert (await http.get("/preferences")).json() == SAID.to_json()
        kept = await http.put("/preferences", json=CHOSEN)
        assert (kept.status_code, kept.json()) == (200, CHOSEN)
        assert (await http.get("/preferences")).json() == CHOSEN
        assert (await http.put("/preferences", json=kept.json())).json() == CHOSEN
        assert (await get_user(desk.office, "jane")).chosen == preferences.read(CHOSEN)
        assert (await http.put("/preferences", json={})).json() == preferences.read({}).to_json()
        assert (await http.delete("/preferences")).json() == SAID.to_json()
        assert (await get_user(desk.office, "jane")).chosen is None
    async with desk.office.database.connection() as conn:
        entries = await audit.of_thread(conn, ACCESS)
    changed = [each for each in entries if each["event"] == "user.changed"]
    assert [each["by"] for each in changed] == ["jane"] * 3


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"quiet": {"hours": "25:00-07:00"}}, "/quiet/hours"),
        ({"quiet": {"days": ["someday"]}}, "/quiet/days/0"),
        ({"notify": {"channels": ["email", "emial"]}}, "/notify/channels/1"),
        ({"notify": {"occasions": ["lunch"]}}, "/notify/occasions/0"),
        ({"notify": {"abuot": "me"}}, "/notify/abuot"),
        ({"digest": "daily 25:00"}, "/digest"),
        ({"timezone": "Europe/Nowhere"}, "/timezone"),
        ({"colour": "blue"}, "/colour"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_place(
    desk: Signoff, given: dict[str, Any], pointer: str
) -> None:
    async with caller(desk) as http:
        said = problem(await http.put("/preferences", json=given), 422, "invalid_input")
        assert [each["pointer"] for each in said["errors"]] == [pointer]
        assert (await http.get("/preferences")).json() == SAID.to_json()


async def test_a_channel_that_was_said_for_one_stays_without_an_address(desk: Signoff) -> None:
    mine = preferences.read({"notify": ["slack"]})
    await put_users(desk.office, [User(name="tom", role=Role.VIEWER, preferences=mine)])
    async with caller(desk, "tom") as http:
        said = (await http.get("/preferences")).json()
        assert (await http.put("/preferences", json=said)).json() == said


async def test_who_is_no_user_has_none(desk: Signoff) -> None:
    async with caller(desk, "stranger") as http:
        for response in (
            await http.get("/preferences"),
            await http.put("/preferences", json=CHOSEN),
            await http.delete("/preferences"),
        ):
            problem(response, 404, "user_not_found")


def test_preferences_that_the_client_reads_can_be_sent_back() -> None:
    assert Preferences.model_validate(CHOSEN).model_dump(mode="json") == CHOSEN
