"""`GET /deliveries` and redelivery."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from signoff import Signoff
from signoff.db import audit
from signoff.db.pool import Connection
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import ChannelError
from signoff.domain.notification import Message
from signoff.domain.user import User
from signoff.service import deliveries
from signoff.service.deliveries import SORT
from signoff.service.read import encode_cursor
from signoff.service.users import put_users
from signoff.worker.courier import Courier
from tests.api import graphs
from tests.api.conftest import client_of, problem
from tests.conftest import OpenDesk
from tests.helpers import all_told
from tests.people import as_, named


@dataclass
class Refusing:
    """A channel that takes nothing."""

    name: str = "email"

    async def send(self, message: Message) -> None:
        raise ChannelError("no such mailbox", permanent=True)


@pytest.fixture
async def desk(open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> Signoff:
    """A desk with three messages that were given up."""
    monkeypatch.setattr(Courier, "start", lambda _self: None)
    desk: Signoff = await open_desk({"drafts": graphs.drafts()})
    await put_users(desk.office, [User(name=each, email=f"{each}@firm.com") for each in "abc"])
    desk.office.channels["email"] = Refusing()
    await desk.start("drafts", {"topic": "tea"}, thread_id="t", by="starter")
    await desk.wait("t", timeout=30)
    await all_told(desk)
    return desk


async def test_operators_see_what_was_given_up_and_have_it_sent_again(desk: Signoff) -> None:
    app = desk.asgi_app(authenticate=named)
    async with client_of(app, as_("admin")) as http:
        first = (await http.get("/deliveries?limit=2&state=dead")).json()
        assert len(first["items"]) == 2
        rest = (await http.get(f"/deliveries?limit=2&cursor={first['next_cursor']}")).json()
        assert (len(rest["items"]), rest["next_cursor"]) == (1, None)
        found = first["items"] + rest["items"]
        assert {each["to"] for each in found} == {"a", "b", "c"}
        assert {each["error"] for each in found} == {"no such mailbox"}
        assert (await http.get("/deliveries?state=sent,waiting")).json()["items"] == []
        one = found[0]
        by_request = await http.get(f"/deliveries?request_id={one['request_id']}")
        assert len(by_request.json()["items"]) == 3
        assert (await http.get(f"/deliveries/{one['id']}")).json() == one

        again = await http.post(f"/deliveries/{one['id']}/redelivery")
        assert (again.status_code, again.json()["state"]) == (202, "waiting")
        problem(await http.post(f"/deliveries/{one['id']}/redelivery"), 409, "conflict")
        entries = (await http.get(f"/requests/{one['request_id']}/audit")).json()["items"]
        [entry] = [each for each in entries if each["event"] == "message.redelivered"]
        assert (entry["by"], entry["data"]["to"]) == ("admin", one["to"])


async def test_all_that_was_given_up_by_then_is_sent_again_once(
    desk: Signoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given up anew meanwhile is not."""
    monkeypatch.setattr(deliveries, "AT_ONCE", 1)
    listed = audit.append

    async def given_up_at_once(conn: Connection, *entries: AuditEntry) -> None:
        await listed(conn, *entries)
        await conn.execute(
            "UPDATE messages SET state = 'dead', due_at = NULL, settled_at = now() + interval '1 h'"
            " WHERE state = 'waiting'"
        )

    monkeypatch.setattr(audit, "append", given_up_at_once)
    assert await deliveries.redeliver_all(desk.office, by="admin") == 3


async def test_a_cursor_for_any_moment_leads_somewhere(desk: Signoff) -> None:
    """Lists of requests have places before and behind all moments."""
    cursor = encode_cursor(("infinity", "0190c6a2-7f30-7a44-9c0e-3a2f4c5b6d7e"), SORT)
    async with client_of(desk.asgi_app(authenticate=named), as_("admin")) as http:
        assert len((await http.get(f"/deliveries?cursor={cursor}")).json()["items"]) == 3


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/deliveries?state=lost", 422, "invalid_input"),
        ("/deliveries?limit=0", 422, "invalid_input"),
        ("/deliveries?cursor=x", 422, "invalid_input"),
        ("/deliveries?request_id=x", 422, "invalid_input"),
        ("/deliveries/x", 404, "delivery_not_found"),
        ("/deliveries/0190c6a2-7f30-7a44-9c0e-3a2f4c5b6d7e", 404, "delivery_not_found"),
    ],
)
async def test_what_cannot_be_is_refused(desk: Signoff, path: str, status: int, code: str) -> None:
    async with client_of(desk.asgi_app(authenticate=named), as_("admin")) as http:
        problem(await http.get(path), status, code)
