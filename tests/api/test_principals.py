"""Who calls: every route needs a principal, and nobody can pass for another by accident."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from structlog.testing import capture_logs

from signoff import Principal, Role, authentication
from signoff.api.app import OPEN
from signoff.domain.errors import Forbidden, Unauthenticated
from signoff.domain.user import User
from signoff.own_machine import ACTS_AS, OwnMachine, acting_as
from signoff.service.keys import create_key
from signoff.service.users import put_users
from tests.api.conftest import Api, client_of, problem
from tests.people import as_

OLD = {"x-signoff-principal": "jane"}


async def test_every_route_needs_a_principal_but_health_and_the_documentation(api: Api) -> None:
    tried = 0
    async with api.client() as nobody:
        for path, item in api.app.openapi()["paths"].items():
            for method in item:
                url = path.replace("{", "").replace("}", "")
                response = await nobody.request(method, url)
                if path in OPEN:
                    assert response.status_code == 200
                else:
                    problem(response, 401, "unauthenticated")
                    assert response.headers["www-authenticate"]
                    tried += 1
        assert tried > 20
        for path in ("/openapi.json", "/docs"):
            assert (await nobody.get(path)).status_code == 200


async def test_a_caller_who_is_nobody_has_no_body_read_and_no_secret_told(api: Api) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    async with api.client() as nobody:
        path = f"/requests/{request['id']}/decisions"
        response = await nobody.post(path, content=b"{", headers={"content-type": "text/plain"})
        assert "t" not in problem(response, 401, "unauthenticated").get("errors", [])
        body = {"action": "approve"}
        problem(await nobody.post(path, json=body), 401, "unauthenticated")
        response = await nobody.post("/threads", content=b"x" * 10_000_000)
        problem(response, 401, "unauthenticated")
    assert (await api.the_request("t"))["state"] == "open"


async def test_what_callers_once_named_themselves_by_means_nothing(api: Api) -> None:
    """Neither by itself nor beside a key, and the log says so once."""
    authentication._warn_of_header.cache_clear()
    _, key = await create_key(api.desk.office, "robot", by="test", role=Role.OPERATOR)
    app = api.desk.asgi_app()
    with capture_logs() as logs:
        for given in ({}, as_("jane")):
            async with client_of(app, {**OLD, **given}) as http:
                problem(await http.get("/requests"), 401, "unauthenticated")
                assert (await http.get("/inbox")).status_code == 401
        async with client_of(app, {**OLD, "x-api-key": key}) as http:
            assert (await http.post("/threads", json={"thread_id": "t"})).status_code == 200
    assert (await api.desk.audit(thread_id="t"))[0]["by"] == "key:robot"
    assert [each["log_level"] for each in logs if "X-Signoff-Principal" in each["event"]] == [
        "warning"
    ]


async def test_a_name_may_have_any_letters(api: Api) -> None:
    async with api.client(**as_("jürgen@firm.com")) as http:
        await http.post(
            "/threads/t/runs/wait",
            json={"assistant_id": "drafts", "input": {"topic": "tea"}, "if_not_exists": "create"},
        )
        [run] = (await http.get("/threads/t/runs")).json()
    assert run["metadata"]["created_by"] == "jürgen@firm.com"


# --- on one's own machine -------------------------------------------------------------------------


def cookie(user: str) -> dict[str, str]:
    """The header by which a script acts as a user."""
    return {"cookie": f"{ACTS_AS}={acting_as(user)}"}


async def test_on_ones_own_machine_everyone_is_oneself_or_a_user_one_acts_as(api: Api) -> None:
    await put_users(
        api.desk.office, [User(name="jürgen @firm.com", role=Role.OPERATOR), User(name="ann")]
    )
    _, key = await create_key(api.desk.office, "robot", by="test", role=Role.OPERATOR)
    app = api.desk.asgi_app(authenticate=OwnMachine())
    callers = {
        "dev": {},
        "jürgen @firm.com": cookie("jürgen @firm.com"),
        "key:robot": {"x-api-key": key, **cookie("ann")},
    }
    async with client_of(app, OLD) as http:
        for number, (name, headers) in enumerate(callers.items()):
            thread = {"thread_id": f"t{number}"}
            response = await http.post("/threads", json=thread, headers=headers)
            assert response.status_code == 200, name
            [entry] = (await http.get("/audit", params=thread)).json()["items"]
            assert entry["by"] == name
        # As the user whom one acts as: in no other role, and plainly written if it is plain.
        plain = {"cookie": f"{ACTS_AS}=ann"}
        problem(await http.post("/threads", json={}, headers=plain), 403, "forbidden")
        assert (await http.get("/requests", headers=plain)).status_code == 200


async def test_on_ones_own_machine_one_acts_as_nobody_who_is_no_user(api: Api) -> None:
    app = api.desk.asgi_app(authenticate=OwnMachine())
    async with client_of(app, cookie("nobody")) as http:
        detail = problem(await http.get("/requests"), 403, "forbidden")["detail"]
        assert "no user 'nobody'" in detail
        page = await http.get("/inbox")
        assert page.status_code == 403
        assert f'{ACTS_AS}=""' in page.headers["set-cookie"]  # and is oneself again


async def test_elsewhere_one_acts_as_nobody_else(api: Api) -> None:
    await put_users(api.desk.office, [User(name="ann")])
    async with client_of(api.desk.asgi_app(), cookie("ann")) as http:
        problem(await http.get("/requests"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "host", ["localhost:8124", "127.0.0.1", "[::1]:8124", "app.localhost", "127.8.9.1:1"]
)
async def test_ones_own_machine_has_many_names(api: Api, host: str) -> None:
    app = api.desk.asgi_app(authenticate=OwnMachine())
    async with client_of(app, {}) as http:
        assert (await http.get("/requests", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", "[]"])
async def test_a_page_elsewhere_whose_name_leads_here_is_refused(api: Api, host: str) -> None:
    app = api.desk.asgi_app(authenticate=OwnMachine())
    async with client_of(app, {}) as http:
        problem(await http.get("/requests", headers={"host": host}), 403, "forbidden")


async def test_a_browser_that_says_only_where_a_form_is_from_is_believed(api: Api) -> None:
    app = api.desk.asgi_app(authenticate=OwnMachine())
    async with client_of(app, {"host": "localhost:8124"}) as http:
        for origin in ("https://evil.example", "null", "http://localhost:3000"):
            given = {"origin": origin, "content-type": "text/plain"}
            refused = await http.post("/threads", content=b"{}", headers=given)
            problem(refused, 403, "forbidden")
        given = {"origin": "http://localhost:8124"}
        assert (await http.post("/threads", json={}, headers=given)).status_code == 200


async def test_what_a_page_elsewhere_makes_the_browser_send_is_refused(api: Api) -> None:
    app = api.desk.asgi_app(authenticate=OwnMachine())
    async with client_of(app, {}) as http:
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200)):
            response = await http.post("/threads/count", headers={"sec-fetch-site": site})
            assert response.status_code == status


# --- in an application of one's own ---------------------------------------------------------------


async def test_the_api_is_mounted_with_principals_of_ones_own(api: Api) -> None:
    async def signed_in(request: Request) -> Principal | None:
        user = request.cookies.get("user")
        if user is None:
            return None
        if user == "nobody":
            raise Unauthenticated("Sign in first.")
        if user == "mallory":
            raise Forbidden("Not you.")
        if user == "eve":
            raise HTTPException(403, "Nor you.")
        if user == "newcomer":
            raise HTTPException(303, headers={"location": "/welcome"})
        return Principal(name=user, role=Role.OPERATOR)

    outer = FastAPI()
    outer.mount("/signoff", api.desk.asgi_app(authenticate=signed_in))
    transport = httpx.ASGITransport(app=outer)
    async with httpx.AsyncClient(transport=transport, base_url="http://firm.example") as http:
        problem(await http.get("/signoff/requests"), 401, "unauthenticated")
        problem(await http.get("/signoff/nowhere"), 404, "route_not_found")
        response = await http.get("/signoff/requests", headers={"cookie": "user=nobody"})
        problem(response, 401, "unauthenticated")
        for name in ("mallory", "eve"):
            response = await http.get("/signoff/requests", headers={"cookie": f"user={name}"})
            problem(response, 403, "forbidden")
            page = await http.get("/signoff/inbox", headers={"cookie": f"user={name}"})
            assert page.status_code == 403
        for path in ("requests", "inbox"):
            response = await http.get(f"/signoff/{path}", headers={"cookie": "user=newcomer"})
            assert (response.status_code, response.headers["location"]) == (303, "/welcome")
        response = await http.post(
            "/signoff/threads/t/runs/wait",
            json={"assistant_id": "drafts", "input": {"topic": "tea"}, "if_not_exists": "create"},
            headers={"cookie": "user=jane"},
        )
        assert response.json()["__interrupt__"]
        assert response.headers["location"].startswith("/signoff/threads/t/runs/")
        joined = await http.get(response.headers["location"], headers={"cookie": "user=jane"})
        assert joined.json() == response.json()
