"""The page on which people choose how they are told."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from signoff import Signoff
from signoff.db import audit
from signoff.domain.audit import ACCESS
from signoff.domain.principal import Principal, Role
from signoff.domain.user import User
from signoff.project import preferences
from signoff.service.users import get_user, put_users
from tests.conftest import OpenDesk

JANE = User(
    name="jane",
    role=Role.VIEWER,
    email="jane@firm.com",
    addresses=("slack://Secret/Secret/Secret",),
    preferences=preferences.read({"quiet": "22:00-06:00", "timezone": "Europe/Berlin"}),
)


@pytest.fixture
async def desk(open_desk: OpenDesk) -> Signoff:
    desk = await open_desk({}, work=False)
    await put_users(desk.office, [JANE])
    return desk


def browser(desk: Signoff, name: str = "jane") -> httpx.AsyncClient:
    who = Principal(name=name, role=Role.VIEWER, method="test")
    app = desk.asgi_app(authenticate=lambda _request: who)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://signoff")


async def keep(http: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    page = await http.get("/inbox/preferences")
    [token] = set(re.findall(r'name="csrf" value="(\w+)"', page.text))
    headers = {"sec-fetch-site": "same-origin"}
    sent = {"csrf": token, **fields}
    return await http.post("/inbox/preferences", data=sent, headers=headers)


async def test_the_page_shows_what_holds_and_no_secret(desk: Signoff) -> None:
    async with browser(desk) as http:
        page = (await http.get("/inbox/preferences")).text
    for part in ('value="22:00"', 'value="06:00"', "<option selected>Europe/Berlin", "slack://…"):
        assert part in page
    assert "Secret" not in page
    assert "Back to what is set" not in page


async def test_what_somebody_chooses_holds_and_is_in_the_audit(desk: Signoff) -> None:
    fields = {
        "channel": "email",
        "about": "groups",
        "occasion": ["opened", "failed"],
        "from": "20:00",
        "until": "07:00",
        "day": ["sat", "sun"],
        "pace": "daily",
        "at": "09:30",
        "timezone": "America/New_York",
    }
    async with browser(desk) as http:
        kept = await keep(http, **fields)
        assert (kept.status_code, kept.headers["location"]) == (303, "/inbox/preferences?saved=1")
        assert "Back to what is set" in (await http.get("/inbox/preferences")).text
        user = await get_user(desk.office, "jane")
        assert user.wishes.to_json() == {
            "notify": {
                "channels": ["email"],
                "occasions": ["opened", "failed"],
                "about": "groups",
            },
            "quiet": {"hours": "20:00-07:00", "days": ["sat", "sun"], "urgent": False},
            "digest": "daily 09:30",
            "timezone": "America/New_York",
        }
        assert user.preferences == JANE.preferences
        async with desk.office.database.connection() as conn:
            entry = (await audit.of_thread(conn, ACCESS))[-1]
        assert (entry["event"], entry["by"]) == ("user.changed", "jane")
        assert entry["data"]["after"]["preferences"]["digest"] == "daily 09:30"
        await keep(http, reset="yes")
    assert await get_user(desk.office, "jane") == JANE


async def test_what_cannot_be_is_refused_and_changes_nothing(desk: Signoff) -> None:
    async with browser(desk) as http:
        for fields, said in (
            ({"from": "20:00"}, "from when to when"),
            ({"timezone": "Europe/Atlantis"}, "no time zone"),
            ({"occasion": "born"}, "one of opened"),
            ({"pace": "weekly"}, "none, hourly, or daily"),
        ):
            refused = await keep(http, **fields)
            assert refused.status_code == 422
            assert said in refused.text
    assert await get_user(desk.office, "jane") == JANE


async def test_whoever_is_no_user_is_told_so(desk: Signoff) -> None:
    async with browser(desk, "stranger") as http:
        page = await http.get("/inbox/preferences")
        assert "is no user of this desk" in page.text
        assert 'name="channel"' not in page.text
