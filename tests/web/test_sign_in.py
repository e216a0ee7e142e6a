"""Signing in to the inbox, and what a session lets in and keeps out."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from signoff import Role, Signoff
from signoff.authentication import nobody_else
from signoff.domain.session import SessionRules
from signoff.domain.user import User
from signoff.service import sessions
from signoff.service.sessions import set_password
from signoff.service.users import put_users
from tests.api.conftest import serving
from tests.conftest import Clock, OpenDesk
from tests.service.test_sessions import PASSWORD, Quick
from tests.web import graphs


@pytest.fixture
async def desk(open_desk: OpenDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A desk with jane, who has a password."""
    monkeypatch.setattr(sessions, "_hasher", Quick)
    desk = await open_desk({"questions": graphs.questions()}, now=clock)
    await put_users(desk.office, [User(name="jane", role=Role.OPERATOR)])
    await set_password(desk.office, "jane", PASSWORD, by="ann")
    return desk


SESSION = "__Host-signoff_session"


def browser(desk: Signoff, url: str = "https://signoff.example") -> httpx.AsyncClient:
    """A browser, which keeps cookies and says where forms come from."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(desk.asgi_app(authenticate=nobody_else)), base_url=url
    )


async def submit(
    http: httpx.AsyncClient, path: str = "/inbox/sign-in", /, **fields: str
) -> httpx.Response:
    """Load the page with the form, and send it as the browser would."""
    page = await http.get("/inbox/sign-in")
    [token] = set(re.findall(r'name="csrf" value="(\w+)"', page.text))
    headers = {"sec-fetch-site": "same-origin"}
    return await http.post(path, data={"csrf": token, **fields}, headers=headers)


JANE = {"name": "jane", "password": PASSWORD}


async def test_one_signs_in_and_comes_to_where_one_wanted_to_go(desk: Signoff) -> None:
    async with browser(desk) as http:
        page = await http.get("/inbox?view=overdue")
        assert page.status_code == 401
        assert "/inbox/sign-in?next=%2Finbox%3Fview%3Doverdue" in page.text
        done = await submit(http, next="/inbox?view=overdue", **JANE)
        assert (done.status_code, done.headers["location"]) == (303, "/inbox?view=overdue")
        cookie = next(c for c in done.headers.get_list("set-cookie") if c.startswith(SESSION))
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        page = await http.get("/inbox?view=overdue")
        assert page.status_code == 200
        assert "Sign out everywhere" in page.text
        assert (await http.get("/requests")).status_code == 200


async def test_cookies_are_named_after_how_far_they_go(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_hasher", Quick)
    desk = await open_desk({}, public_url="https://signoff.example")
    await put_users(desk.office, [User(name="jane")])
    await set_password(desk.office, "jane", PASSWORD, by="ann")
    mounted = Starlette(routes=[Mount("/desk", desk.asgi_app(authenticate=nobody_else))])
    # The proxy in front speaks https with the browser, and http with us.
    for app, root, prefix in (
        (desk.asgi_app(authenticate=nobody_else), "", "__Host-"),
        (mounted, "/desk", "__Secure-"),
    ):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as http:
            page = await http.get(f"{root}/inbox/sign-in")
            [token] = set(re.findall(r'name="csrf" value="(\w+)"', page.text))
            [secret] = page.headers.get_list("set-cookie")
            assert secret.startswith(f"{prefix}signoff_csrf=")
            done = await http.post(
                f"{root}/inbox/sign-in",
                data={"csrf": token, **JANE},
                headers={"cookie": secret.partition(";")[0]},
            )
        [cookie] = done.headers.get_list("set-cookie")
        assert cookie.startswith(f"{prefix}signoff_session=")
        assert {"HttpOnly", "Secure", f"Path={root or '/'}", "SameSite=lax"} <= set(
            cookie.split("; ")
        )
        assert "domain" not in cookie.lower()
        value = cookie.partition(";")[0]
        for shown, status in ((value, 200), (value.removeprefix(prefix), 401)):
            async with httpx.AsyncClient(transport=transport, base_url="http://inside") as http:
                answer = await http.get(f"{root}/inbox", headers={"cookie": shown})
                assert answer.status_code == status, shown


async def test_the_wrong_password_shows_the_form_again_without_it(desk: Signoff) -> None:
    async with browser(desk) as http:
        refused = await submit(http, name="jane", password="nothing of the kind")
        assert refused.status_code == 401
        assert "not right" in refused.text
        assert "nothing of the kind" not in refused.text
        assert SESSION not in http.cookies


async def test_signing_in_gives_a_new_token_whatever_was_there(desk: Signoff) -> None:
    async with browser(desk) as http:
        http.cookies.set(SESSION, "chosen-by-somebody-else")
        await submit(http, **JANE)
        assert http.cookies.get(SESSION, domain="signoff.example") != "chosen-by-somebody-else"
        assert (await http.get("/inbox")).status_code in (200, 401)


@pytest.mark.parametrize(
    "wanted",
    ["", "https://evil.example/inbox", "//evil.example", "/inboxes", "/\\evil", "javascript:x"],
)
async def test_one_comes_nowhere_else_than_to_the_inbox(desk: Signoff, wanted: str) -> None:
    async with browser(desk) as http:
        assert (await submit(http, next=wanted, **JANE)).headers["location"] == "/inbox"


async def test_a_form_from_elsewhere_signs_nobody_in_or_out(desk: Signoff) -> None:
    async with browser(desk) as http:
        assert (await http.post("/inbox/sign-in", data=JANE)).status_code == 403
        await submit(http, **JANE)
        assert (await http.post("/inbox/sign-out")).status_code in (403, 422)
        assert (await http.get("/requests")).status_code == 200


@pytest.mark.parametrize("how", [{}, {"everywhere": "yes"}])
async def test_one_signs_out_here_or_everywhere(desk: Signoff, how: dict[str, str]) -> None:
    async with browser(desk) as http, browser(desk) as other:
        await submit(http, **JANE)
        await submit(other, **JANE)
        done = await submit(http, "/inbox/sign-out", **how)
        assert (done.status_code, done.headers["location"]) == (303, "/inbox/sign-in")
        assert (await http.get("/requests")).status_code == 401
        assert (await other.get("/requests")).status_code == (401 if how else 200)


async def test_the_api_takes_changes_by_a_session_from_our_own_pages_only(desk: Signoff) -> None:
    async with browser(desk) as http:
        await submit(http, **JANE)
        for headers, status in (
            ({}, 403),
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"sec-fetch-site": "same-site"}, 403),
            ({"sec-fetch-site": "none"}, 403),
            ({"origin": "https://evil.example"}, 403),
            ({"origin": "null"}, 403),
            ({"origin": "https://signoff.example", "sec-fetch-site": "cross-site"}, 403),
            ({"origin": "https://signoff.example"}, 200),
            ({"sec-fetch-site": "same-origin"}, 200),
        ):
            response = await http.post("/threads", json={}, headers=headers)
            assert response.status_code == status, headers


async def test_too_many_attempts_are_said_with_when_to_come_back(
    desk: Signoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "TRIES", 0)
    async with browser(desk) as http:
        refused = await submit(http, **JANE)
        assert refused.status_code == 429
        assert "too many attempts" in refused.text


@pytest.mark.parametrize("by_itself", [{"hx-request": "true"}, {"accept": "text/event-stream"}])
async def test_a_page_that_is_left_open_keeps_no_session_alive(
    desk: Signoff, clock: Clock, by_itself: dict[str, str]
) -> None:
    async with browser(desk) as http, browser(desk) as other:
        await submit(http, **JANE)
        await submit(other, **JANE)
        for _ in range(3):
            clock.forward(SessionRules().idle / 3)
            assert (await http.get("/requests", headers=by_itself)).status_code == 200
            assert (await other.get("/requests")).status_code == 200
        clock.forward(SessionRules().idle / 3)
        assert (await http.get("/requests", headers=by_itself)).status_code == 401
        assert (await other.get("/requests")).status_code == 200


async def test_a_page_has_the_token_replaced_when_it_is_old(desk: Signoff, clock: Clock) -> None:
    async with browser(desk) as http:
        await submit(http, **JANE)
        first = http.cookies.get(SESSION)
        await http.get("/inbox")
        assert http.cookies.get(SESSION) == first
        clock.forward(SessionRules().rotation * 1.1)
        assert (await http.get("/inbox")).status_code == 200
        second = http.cookies.get(SESSION)
        assert second != first
        clock.forward(sessions.OVERLAP * 1.1)
        assert (await http.get("/inbox")).status_code == 200
        http.cookies.set(SESSION, first or "", domain="signoff.example", path="/")
        assert (await http.get("/inbox")).status_code == 401
        http.cookies.set(SESSION, second or "", domain="signoff.example", path="/")
        assert (await http.get("/inbox")).status_code == 401, "a copy was used: it is over"


async def test_what_a_page_hears_ends_when_one_has_signed_out(desk: Signoff) -> None:
    app = desk.asgi_app(authenticate=nobody_else)
    async with (
        serving(app) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as http,
    ):
        await submit(http, **JANE)
        async with http.stream("GET", "/inbox/live") as stream:
            heard = stream.aiter_lines()
            assert await anext(heard) == "retry: 1000"
            await submit(http, "/inbox/sign-out", everywhere="yes")
            assert [line async for line in heard if line.startswith("data")] == []
        assert (await http.get("/inbox/live")).status_code == 401
