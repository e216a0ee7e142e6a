"""A policy that asks for a fresh sign-in, in the inbox: nothing that was typed is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from signoff import Role, Signoff
from signoff.authentication import nobody_else
from signoff.domain.policy import Policy
from signoff.domain.user import User
from signoff.policies.book import PolicyBook, Rule
from signoff.service import sessions
from signoff.service.sessions import set_password
from signoff.service.users import put_users
from tests.conftest import Clock, OpenDesk
from tests.service.test_sessions import PASSWORD, Quick
from tests.web import graphs
from tests.web.conftest import Browser, Page, Site

LONG = timedelta(minutes=16)

BOOK = PolicyBook(
    rules=(
        Rule(
            conditions={"kind": "breakpoint"},
            policy=Policy.read({"sign_in_within": "15m"}, source="file"),
        ),
    )
)


@pytest.fixture
async def site(open_desk: OpenDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An inbox where jane signs in with a password, by a clock that stands still."""
    monkeypatch.setattr(sessions, "_hasher", Quick)
    desk: Signoff = await open_desk(graphs.everything(), now=clock, policies=lambda: BOOK)
    await put_users(desk.office, [User(name="jane", role=Role.OPERATOR), User(name="tom")])
    await set_password(desk.office, "jane", PASSWORD, by="ann")
    return Site(desk, desk.asgi_app(authenticate=nobody_else))


@pytest.fixture
async def jane(site: Site) -> Browser:
    """Jane's browser, signed in."""
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=site.app),
        base_url="https://signoff.example",
        headers={"sec-fetch-site": "same-origin"},
        follow_redirects=True,
    )
    browser = Browser(http)
    await sign_in(browser, "/inbox/sign-in")
    return browser


async def sign_in(browser: Browser, path: str) -> Page:
    """Sign in at this address, as in another tab of the same browser."""
    page = await browser.open(path)
    return await browser.send(page.form("/sign-in"), "Sign in", name="jane", password=PASSWORD)


async def test_what_was_typed_is_there_after_signing_in_again(
    site: Site, jane: Browser, clock: Clock
) -> None:
    request = await site.asked("orders", policy={"sign_in_within": "15m"})
    path = f"/inbox/requests/{request.id}"
    page = await jane.open(path)
    assert "sign in again" not in page.text
    clock.forward(LONG)
    typed = {"/values/supplier": "Borealis", "/values/amount": "7", "/note": "The usual."}
    page = await jane.send(page.form("/decisions/order"), **typed)
    assert page.status == 401
    assert "what you have typed stays here" in page.text
    kept = page.form("/decisions/order")
    assert {name: kept.value(name) for name in typed} == typed
    again = page.links["Sign in again"]
    assert again.startswith("/inbox/sign-in?again=1&next=%2Finbox%2Frequests%2F")
    [link] = [given for tag, given in page.elements if given.get("href") == again]
    assert link["target"] == "_blank"
    assert (await site.desk.request(request.id)).version == 0

    back = await sign_in(jane, again)
    assert back.response.url.path == path
    assert "sign in again" not in back.text
    page = await jane.send(kept)
    assert "on its way to the graph" in page.text
    outcome = (await site.desk.request(request.id)).outcome
    assert outcome is not None
    assert (outcome.values["supplier"], outcome.note) == ("Borealis", "The usual.")


async def test_the_page_says_so_before_anything_is_typed(
    site: Site, jane: Browser, clock: Clock
) -> None:
    request = await site.asked(policy={"sign_in_within": "15m"})
    clock.forward(LONG)
    page = await jane.open(f"/inbox/requests/{request.id}")
    assert "Who decides this has signed in within 15 min" in page.text
    assert page.links["sign in again"].startswith("/inbox/sign-in?again=1")
    assert page.form("/decisions/approve")
    stranger = await site.asked(policy={"sign_in_within": "15m", "to": ["tom"]})
    page = await jane.open(f"/inbox/requests/{stranger.id}")
    assert "has signed in within" not in page.text


@pytest.mark.parametrize(
    ("verb", "typed"), [("delegate", {"to": "tom"}), ("withdraw", {"note": "Not now"})]
)
async def test_handing_on_and_withdrawing_keep_what_was_typed(
    site: Site, jane: Browser, clock: Clock, verb: str, typed: dict[str, str]
) -> None:
    request = await site.asked(policy={"sign_in_within": "15m"})
    page = await jane.open(f"/inbox/requests/{request.id}")
    clock.forward(LONG)
    page = await jane.send(page.form(f"/{verb}"), **typed)
    assert page.status == 401
    assert {name: page.form(f"/{verb}").value(name) for name in typed} == typed
    assert (await site.desk.request(request.id)).version == 0


async def test_several_are_decided_together_after_signing_in_again(
    site: Site, jane: Browser, clock: Clock
) -> None:
    requests = [await site.asked(policy={"sign_in_within": "15m"}), await site.asked()]
    chosen = [("id", each.id) for each in requests]
    token = (await jane.open("/inbox?view=open")).forms[0].value("csrf")
    page = await jane.post("/inbox/together", [("csrf", token), *chosen])
    clock.forward(LONG)
    form = page.form("/together/decisions")
    page = await jane.send(form, "Approve", **{"/note": "Both."})
    assert page.status == 401
    assert [(await site.desk.request(each.id)).version for each in requests] == [0, 0]
    await sign_in(jane, page.links["Sign in again"])
    page = await jane.send(page.form("/together/decisions"), "Approve")
    assert "2 of 2 done" in page.text
    for each in requests:
        outcome = (await site.desk.request(each.id)).outcome
        assert outcome is not None
        assert outcome.note == "Both."


async def test_a_breakpoint_is_not_passed_from_the_page_of_its_thread(
    site: Site, jane: Browser, clock: Clock
) -> None:
    request = await site.asked("stopping", client="Acme")
    clock.forward(LONG)
    token = (await jane.open("/inbox?view=open")).forms[0].value("csrf")
    page = await jane.post(f"/inbox/threads/{request.thread_id}/continue", [("csrf", token)])
    assert page.status == 401
    assert page.links["Sign in again"] == "/inbox/sign-in?again=1&next=%2Finbox"
    assert (await site.desk.request(request.id)).version == 0
