"""Deciding from a message: what its link opens, for whom, and what it takes to decide by it."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from signoff import Principal, Role, Signoff
from signoff.authentication import nobody_else
from signoff.cli.errors import without_secrets
from signoff.domain.request import Request
from signoff.domain.user import User
from signoff.service import sessions
from signoff.service.keep_time import keep_time
from signoff.service.links import forget_links, issue
from signoff.service.sessions import set_password
from signoff.service.users import put_users, remove_user
from tests.conftest import Clock, OpenDesk
from tests.service.test_sessions import PASSWORD, Quick
from tests.web import graphs
from tests.web.conftest import Browser, Page, Site

HOST = "https://signoff.example"


@pytest.fixture
async def site(open_desk: OpenDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An inbox that people reach, by a clock that stands still. Jane and tom have a password."""
    monkeypatch.setattr(sessions, "_hasher", Quick)
    desk: Signoff = await open_desk(graphs.everything(), now=clock, public_url=HOST)
    people = [User(name="jane", groups=("legal",)), User(name="tom")]
    people += [User(name="vera", role=Role.VIEWER), User(name="elsewhere", graphs=("orders",))]
    await put_users(desk.office, people)
    for name in ("jane", "tom"):
        await set_password(desk.office, name, PASSWORD, by="ann")
    return Site(desk, desk.asgi_app(authenticate=nobody_else))


def browser(site: Site, **headers: str) -> Browser:
    """A browser in which nobody is signed in."""
    return Browser(
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=site.app),
            base_url=HOST,
            headers={"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", **headers},
            follow_redirects=True,
            timeout=30,
        )
    )


async def link(site: Site, request: Request, user: str = "jane", **more: Any) -> str:
    """The path of a link for somebody."""
    async with site.desk.office.database.transaction() as conn:
        url = await issue(conn, site.desk.office, request, user, **more)
    assert url is not None
    assert url.startswith(f"{HOST}/decide/")
    return url.removeprefix(HOST)


async def no_link(site: Site, request: Request, user: str = "jane") -> None:
    """Fail if there is one."""
    async with site.desk.office.database.transaction() as conn:
        assert await issue(conn, site.desk.office, request, user) is None


async def counts(site: Site) -> tuple[int, int, int]:
    """How much there is of what a decision writes: votes, entries of the audit, used links."""
    async with site.desk.office.database.connection() as conn:
        cursor = await conn.execute(
            """
            SELECT (SELECT count(*) FROM votes) AS votes, (SELECT count(*) FROM audit) AS audit,
                   (SELECT count(*) FROM links WHERE used_at IS NOT NULL) AS links
            """
        )
        row = await cursor.fetchone()
    assert row is not None
    return row["votes"], row["audit"], row["links"]


async def through(jane: Browser, path: str, button: str, **typed: str) -> Page:
    """Open a link, choose, confirm."""
    page = await jane.open(path)
    [form] = [form for form in page.forms if any(t.startswith(button) for t in form.buttons)]
    page = await jane.send(form, button, **typed)
    assert page.status == 200, page.text
    return await jane.send(page.form("/decisions/"), "Yes")


async def test_from_the_link_to_the_graph_that_goes_on(site: Site) -> None:
    request = await site.asked(policy={"to": ["group:legal"]})
    path = await link(site, request)
    jane = browser(site)
    page = await jane.open(path)
    assert page.status == 200
    assert "Contract v1 for Acme" in page.text
    assert "EUR 12,000" in page.text
    assert "You decide as jane" in page.text
    page = await jane.send(page.form("/decisions/approve"), "Approve", **{"/note": "Good."})
    assert "Nothing is decided yet" in page.text
    assert "Good." in page.text
    assert (await site.desk.request(request.id)).version == 0
    page = await jane.send(page.form("/decisions/approve"), "Yes")
    assert page.response.url.path == path
    assert "By this link you chose Approve" in page.text
    thread = await site.desk.wait(request.thread_id, timeout=30)
    assert thread.values["status"] == "approve, filed"
    after = await site.desk.request(request.id)
    assert after.outcome is not None
    assert (after.outcome.by, after.outcome.note) == ("jane", "Good.")
    [entry] = [
        each
        for each in await site.desk.audit(request_id=request.id)
        if each["event"] == "request.decided"
    ]
    assert (entry["by"], entry["method"]) == ("jane", "link")
    assert PASSWORD not in page.text


async def test_what_is_filled_in_is_shown_before_it_counts_and_can_be_changed(site: Site) -> None:
    request = await site.asked("orders")
    path = await link(site, request)
    jane = browser(site)
    typed = {"/values/supplier": "Borealis", "/values/amount": "7", "/note": "Two\nlines"}
    page = await jane.send((await jane.open(path)).form("/decisions/order"), **typed)
    assert "Borealis" in page.text
    page = await jane.send(page.form("/decisions/order"), "Back")
    form = page.form("/decisions/order")
    assert {name: form.value(name) for name in typed} == typed
    page = await jane.send(form, **{"/values/amount": "8"})
    await jane.send(page.form("/decisions/order"), "Yes")
    outcome = (await site.desk.request(request.id)).outcome
    assert outcome is not None
    assert (outcome.values["supplier"], outcome.values["amount"]) == ("Borealis", 8)
    assert outcome.note == "Two\nlines"


async def test_what_does_not_fit_is_said_and_the_link_is_good_still(site: Site) -> None:
    path = await link(site, await site.asked("orders"))
    jane = browser(site)
    form = (await jane.open(path)).form("/decisions/order")
    page = await jane.send(form, **{"/values/supplier": "B", "/values/amount": "1000"})
    assert page.status == 422
    assert "100" in page.text
    page = await through(jane, path, "Reject")
    assert "By this link you chose Reject" in page.text


async def test_a_call_of_a_tool_is_edited_by_a_link(site: Site) -> None:
    request = await site.asked("questions", payload=graphs.CALL)
    jane = browser(site)
    page = await jane.open(await link(site, request))
    form = page.form("/decisions/edit")
    assert not any(text.startswith("Show my changes") for text in form.buttons)
    page = await jane.send(form, **{"/values/args/subject": "Another invoice"})
    assert "What you have changed" in page.text
    assert "Another" in page.text
    await jane.send(page.form("/decisions/edit"), "Yes")
    outcome = (await site.desk.request(request.id)).outcome
    assert outcome is not None
    assert outcome.values["args"]["subject"] == "Another invoice"


# --- programs that look at mail ------------------------------------------------------------------


async def test_who_follows_all_links_and_sends_all_forms_of_the_page_changes_nothing(
    site: Site,
) -> None:
    """A scanner: with and without cookies, by every method, and whatever button it presses."""
    for graph in ("contracts", "orders"):
        request = await site.asked(graph)
        path = await link(site, request)
        before = await counts(site)
        for headers in ({}, {"sec-fetch-site": "none"}, {"purpose": "prefetch"}):
            scanner = browser(site, **headers)
            page = await scanner.open(path)
            for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "POST"):
                await scanner.http.request(method, path)
            for url in page.links.values():
                await scanner.http.get(url)
            assert page.forms
            for form in page.forms:
                for text in form.buttons:
                    assert (await scanner.send(form, text)).status in (200, 422)
                bare = browser(site)
                assert (await bare.send(form, next(iter(form.buttons)))).status == 403
        assert await counts(site) == before
        assert (await site.desk.request(request.id)).version == 0


async def test_the_second_form_decides_by_its_button_alone_and_from_this_browser_alone(
    site: Site,
) -> None:
    request = await site.asked()
    path = await link(site, request)
    jane = browser(site)
    page = await jane.open(path)
    page = await jane.send(page.form("/decisions/"), "Approve")
    form = page.form("/decisions/approve")
    before = await counts(site)
    assert "Nothing is decided yet" in (await jane.send(form)).text
    sure = [*form.fields, ("sure", "yes")]
    for other in (
        browser(site),
        browser(site, **{"sec-fetch-site": "cross-site"}),
        browser(site, **{"sec-fetch-mode": "cors"}),
    ):
        if other.http.headers["sec-fetch-site"] != "same-origin":
            other.http.cookies = jane.http.cookies
        if other.http.headers["sec-fetch-mode"] == "cors":
            other.http.cookies = jane.http.cookies
        assert (await other.post(form.action, sure)).status == 403
    no_token = [(name, value) for name, value in sure if name != "csrf"]
    assert (await jane.post(form.action, no_token)).status == 403
    assert await counts(site) == before
    assert (await jane.post(form.action, sure)).status == 200
    assert (await site.desk.request(request.id)).outcome is not None


# --- once ----------------------------------------------------------------------------------------


async def test_two_clicks_at_once_decide_once_and_both_see_the_answer(site: Site) -> None:
    request = await site.asked()
    path = await link(site, request)
    jane = browser(site)
    page = await jane.open(path)
    forms = []
    for button in ("Approve", "Reject"):
        confirmation = await jane.send(page.form("/decisions/"), button)
        forms += [confirmation.form("/decisions/")] * 6
    answers = await asyncio.gather(*(jane.send(form, "Yes") for form in forms))
    outcome = (await site.desk.request(request.id)).outcome
    assert outcome is not None
    chosen = f"By this link you chose {outcome.action.capitalize()}"
    for answer in answers:
        assert (answer.status, chosen in answer.text) == (200, True)
    assert (await counts(site))[0::2] == (1, 1)
    await site.desk.wait(request.thread_id, timeout=30)
    runs = [
        each
        for each in await site.desk.audit(thread_id=request.thread_id)
        if each["event"] == "request.decided"
    ]
    assert len(runs) == 1


async def test_a_vote_of_several_uses_the_link_and_says_what_is_missing(site: Site) -> None:
    request = await site.asked(policy={"quorum": 2})
    path = await link(site, request)
    page = await through(browser(site), path, "Approve")
    assert "1 more vote would close it" in page.text
    page = await browser(site).open(path)
    assert (page.status, page.forms) == (200, [])
    await site.desk.decide(request.id, "approve", by="tom")
    page = await browser(site).open(path)
    assert "By this link you chose Approve" in page.text
    assert "By tom" in page.text


async def test_of_several_links_to_one_request_each_person_has_one_decision(site: Site) -> None:
    request = await site.asked()
    first, reminder = await link(site, request), await link(site, request)
    toms = await link(site, request, "tom")
    await through(browser(site), reminder, "Approve")
    for path in (first, toms):
        page = await browser(site).open(path)
        assert page.status == 410
        assert "jane approved this request already" in page.text
        assert page.forms == []


# --- what it is bound to -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["decided", "withdrawn", "expired"])
async def test_what_is_closed_says_who_did_it_and_how(site: Site, clock: Clock, how: str) -> None:
    request = await site.asked(policy={"within": "1h", "otherwise": "reject"})
    path = await link(site, request)
    jane = browser(site)
    page = await jane.open(path)
    confirmation = await jane.send(page.form("/decisions/"), "Approve")
    if how == "decided":
        await site.desk.decide(request.id, "reject", by="tom", note="Too dear.")
    elif how == "withdrawn":
        await site.desk.withdraw(request.id, by="sales")
    else:
        clock.forward(timedelta(hours=2))
        await keep_time(site.desk.office)
    said = {
        "decided": "tom rejected this request already",
        "withdrawn": "This request is withdrawn",
        "expired": "The deadline has decided this request: reject",
    }[how]
    before = await counts(site)
    for page, status in (
        (await jane.open(path), 410),
        (await jane.send(confirmation.form("/decisions/"), "Yes"), 409),
    ):
        assert (page.status, said in page.text, page.forms) == (status, True, [])
    if how == "decided":
        assert "Too dear." in page.text
    assert (await counts(site))[::2] == before[::2]


async def test_what_asks_something_else_by_now_is_not_decided(site: Site) -> None:
    request = await site.asked()
    path = await link(site, request)
    jane = browser(site)
    confirmation = await jane.send((await jane.open(path)).form("/decisions/"), "Approve")
    async with site.desk.office.database.transaction() as conn:
        await conn.execute("UPDATE requests SET digest = %s WHERE id = %s", ("0" * 64, request.id))
    for page in (
        await jane.send(confirmation.form("/decisions/"), "Yes"),
        await jane.open(path),
    ):
        assert (page.status, page.forms) == (409, [])
        assert "The question has changed" in page.text
        assert "Contract" not in page.text
    assert (await counts(site))[::2] == (0, 0)


async def test_it_opens_for_a_while_only(site: Site, clock: Clock) -> None:
    request = await site.asked()
    path = await link(site, request)
    jane = browser(site)
    confirmation = await jane.send((await jane.open(path)).form("/decisions/"), "Approve")
    clock.forward(timedelta(days=7))
    for page in (
        await jane.open(path),
        await jane.send(confirmation.form("/decisions/"), "Yes"),
    ):
        assert (page.status, page.forms) == (410, [])
        assert "This link has expired" in page.text
        assert "Contract" not in page.text
    await forget_links(site.desk.office)
    assert (await jane.open(path)).status == 410, "it is known for a while that it was one"
    clock.forward(timedelta(days=31))
    await forget_links(site.desk.office)
    assert (await jane.open(path)).status == 404


async def test_the_same_message_sent_again_has_another_link(site: Site) -> None:
    request = await site.asked()
    first = await link(site, request, message="m")
    toms = await link(site, request, "tom", message="m")
    again = await link(site, request, message="m")
    other = await link(site, request, message="n")
    jane = browser(site)
    page = await jane.open(first)
    assert (page.status, "was replaced" in page.text) == (410, True)
    for path in (toms, again, other):
        assert (await jane.open(path)).forms


@pytest.mark.parametrize("how", ["viewer", "other graphs", "other policy", "removed", "new"])
async def test_who_may_not_decide_any_more_does_not(site: Site, how: str) -> None:
    policy = {"to": ["group:legal"]} if how == "other policy" else {}
    request = await site.asked(policy=policy)
    path = await link(site, request)
    jane = browser(site)
    confirmation = await jane.send((await jane.open(path)).form("/decisions/"), "Approve")
    office = site.desk.office
    if how == "viewer":
        await put_users(office, [User(name="jane", role=Role.VIEWER)])
    elif how == "other graphs":
        await put_users(office, [User(name="jane", graphs=("orders",))])
    elif how == "other policy":
        await put_users(office, [User(name="jane", groups=("sales",))])
    else:
        await remove_user(office, "jane", by="ann")
    if how == "new":
        await put_users(office, [User(name="jane")])
    status = 404 if how in ("removed", "new") else 403
    for page in (
        await jane.open(path),
        await jane.send(confirmation.form("/decisions/"), "Yes"),
    ):
        assert (page.status, page.forms) == (status, [])
        assert "Contract" not in page.text
    assert (await counts(site))[::2] == (0, 0)


async def test_a_link_is_made_for_those_alone_who_may_decide_what_is_open(site: Site) -> None:
    request = await site.asked(policy={"to": ["jane"]}, by="sales")
    for stranger in ("tom", "vera", "elsewhere", "nobody"):
        await no_link(site, request, stranger)
    barred = await site.asked(policy={"four_eyes": True}, by="jane")
    await no_link(site, barred)
    await no_link(site, await site.asked(policy={"by_message": "no"}))
    closed = await site.desk.withdraw(request.id, by="sales")
    await no_link(site, closed)


async def test_no_link_is_made_where_nobody_knows_the_address_of_the_server(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk(graphs.everything())
    await put_users(desk.office, [User(name="jane")])
    site = Site(desk, None)
    await no_link(site, await site.asked())


# --- signing in ----------------------------------------------------------------------------------


async def sign_in(to: Browser, name: str, path: str = "/inbox/sign-in") -> Page:
    """Sign in as somebody, and go on to where that leads."""
    page = await to.open(path)
    return await to.send(page.form("/sign-in"), "Sign in", name=name, password=PASSWORD)


@pytest.mark.parametrize("policy", [{"by_message": "sign_in"}, {"sign_in_within": "15m"}])
async def test_where_the_policy_asks_for_it_the_link_leads_by_way_of_signing_in(
    site: Site, policy: dict[str, str]
) -> None:
    request = await site.asked(policy=policy)
    path = await link(site, request)
    jane = browser(site)
    page = await jane.open(path)
    assert page.status == 401
    assert "Contract" not in page.text
    assert path not in page.links["Sign in"]
    assert (await jane.post(f"{path}/decisions/approve", [("sure", "yes")])).status == 401
    page = await sign_in(jane, "jane", page.links["Sign in"])
    assert page.response.url.path == f"/inbox/requests/{request.id}"
    page = await jane.open(path)
    assert page.response.url.path == f"/inbox/requests/{request.id}"
    await jane.send(page.form("/decisions/approve"), "Approve")
    assert (await site.desk.request(request.id)).outcome is not None
    [entry] = [
        each
        for each in await site.desk.audit(request_id=request.id)
        if each["event"] == "request.decided"
    ]
    assert entry["method"] == "password"


@pytest.mark.parametrize("policy", [{}, {"by_message": "sign_in"}])
async def test_somebody_else_does_not_go_on_with_it(site: Site, policy: dict[str, str]) -> None:
    request = await site.asked(policy=policy)
    path = await link(site, request)
    tom = browser(site)
    await sign_in(tom, "tom")
    page = await tom.open(path)
    assert (page.status, page.forms) == (403, [])
    assert "sent to jane, and you are signed in as tom" in page.text
    assert "Contract" not in page.text


async def test_a_policy_that_forbids_it_meanwhile_ends_the_link(site: Site) -> None:
    request = await site.asked()
    path = await link(site, request)
    async with site.desk.office.database.transaction() as conn:
        await conn.execute(
            """UPDATE requests SET policy = policy || '{"by_message": "no"}' WHERE id = %s""",
            (request.id,),
        )
    page = await browser(site).open(path)
    assert (page.status, page.forms) == (401, [])


async def test_an_application_around_it_does_not_let_others_go_on(site: Site) -> None:
    app = site.desk.asgi_app(authenticate=lambda _request: Principal(name="tom"))
    path = await link(site, await site.asked())
    assert (await browser(Site(site.desk, app)).open(path)).status == 403


# --- strangers -----------------------------------------------------------------------------------


async def test_a_wrong_token_tells_nothing_and_not_too_often(site: Site) -> None:
    request = await site.asked()
    path = await link(site, request)
    wrong = path[:-1] + ("A" if path[-1] != "A" else "B")
    stranger = browser(site)
    seen = set()
    for tried in (wrong, "/decide/x", "/decide/%00", "/decide/" + "é" * 43):
        page = await stranger.open(tried)
        assert page.status == 404
        seen.add(page.text)
        assert (await stranger.post(f"{tried}/decisions/approve", [("a", "b")])).status == 404
        assert (await stranger.open(f"{tried}/payload")).status == 404
    assert len(seen) == 1
    tried = [(await stranger.open(wrong)).response for _ in range(30)]
    assert tried[-1].status_code == 429
    assert (await browser(site).open(path)).status == 200, "those who have a link come in still"


async def test_what_the_pages_say_to_browsers(site: Site) -> None:
    path = await link(site, await site.asked())
    jane = browser(site)
    answers = [
        (await jane.open(path)).response,
        (await jane.open(f"{path}/payload")).response,
        (await jane.open("/decide/wrong")).response,
        (await jane.send((await jane.open(path)).form("/decisions/"), "Approve")).response,
    ]
    for answer in answers:
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "<script" not in answer.text
    assert answers[1].json()["title"] == "Contract v1 for Acme"
    token = path.rpartition("/")[2]
    inside = [url for url in Page.of(answers[0]).links.values() if token in url]
    assert inside == [f"{path}/payload"]


async def test_what_is_kept_of_a_token_does_not_open_anything(site: Site) -> None:
    path = await link(site, await site.asked())
    token = path.rpartition("/")[2]
    async with site.desk.office.database.connection() as conn:
        cursor = await conn.execute("SELECT links::text AS row FROM links")
        [row] = await cursor.fetchall()
    assert token not in row["row"]
    assert re.search(r"\\x[0-9a-f]{64}", row["row"])


async def test_no_server_logs_a_token(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    path = await link(site, await site.asked())
    token = path.rpartition("/")[2]
    access = logging.getLogger("uvicorn.access")
    with caplog.at_level("INFO", logger="uvicorn.access"):
        for tried in (path, f"{path}/payload", f"{path}?as=json", "/inbox"):
            access.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", tried, "1.1", 200)
    lines = [each.getMessage() for each in caplog.records if each.name == "uvicorn.access"]
    assert token not in "".join(lines)
    assert '"GET /decide/***/payload HTTP/1.1"' in lines[1]
    assert '"GET /inbox HTTP/1.1"' in lines[3]
    assert without_secrets(f"failed at {HOST}{path}: x") == f"failed at {HOST}/decide/***: x"
