"""Signing in with an OpenID provider: a real one, which is told to misbehave."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pytest
from jwcrypto import jwk, jwt

from signoff import Role, Signoff
from signoff.authentication import nobody_else
from signoff.db import audit
from signoff.domain.audit import ACCESS
from signoff.domain.errors import ProviderUnavailable
from signoff.domain.principal import Principal
from signoff.domain.user import User
from signoff.openid import provider as openid
from signoff.openid.provider import Provider
from signoff.service import openid as service
from signoff.service.identities import unlink
from signoff.service.sessions import signed_in
from signoff.service.users import get_user, list_users, put_users, remove_user
from tests import openid_provider
from tests.conftest import Clock, OpenDesk
from tests.openid_provider import CLIENT, SECRET, LocalProvider, claims_of, unsigned
from tests.web import graphs

SITE = "https://signoff.example"
CALLBACK = f"{SITE}/inbox/sign-in/oidc/callback"
SESSION = "__Host-signoff_session"


@pytest.fixture(scope="module")
def provider() -> Iterator[LocalProvider]:
    """A provider for all tests here."""
    with openid_provider.running() as provider:
        yield provider


@pytest.fixture
def firm(provider: LocalProvider) -> LocalProvider:
    """The provider as new, where jane has an account."""
    provider.reset()
    provider.register(CALLBACK)
    provider.add("jane", email="jane@firm.com", email_verified=True)
    return provider


class Person:
    """Somebody at a browser, who knows the password at the provider."""

    def __init__(self, desk: Signoff, name: str = "jane", password: str = "opensesame") -> None:
        self.desk = desk
        self.name, self.password = name, password
        app = desk.asgi_app(authenticate=nobody_else)
        self.http = httpx.AsyncClient(
            mounts={SITE: httpx.ASGITransport(app)}, base_url=SITE, timeout=30
        )
        self.asked = 0
        """How often the provider has asked for the password."""
        self.visited: list[str] = []

    async def go(self, url: str, until: str = "nowhere") -> httpx.Response:
        """Follow an address to where it leads, or until the next one begins like that."""
        response = await self._get(url)
        while True:
            if response.is_redirect:
                url = urljoin(str(response.url), response.headers["location"])
                if url.startswith(until):
                    return response
                response = await self._get(url)
            elif "<h1>Firm login</h1>" in response.text:
                self.asked += 1
                known = {"username": self.name, "password": self.password}
                given = {**_hidden(response.text), **known}
                response = await self.http.post(response.url, data=given)
            else:
                return response

    async def _get(self, url: str) -> httpx.Response:
        self.visited.append(url)
        return await self.http.get(url)

    async def sign_in(self, **query: str) -> httpx.Response:
        """Press the button, and do what the provider wants."""
        return await self.go(f"/inbox/sign-in/oidc?{urlencode(query)}")

    async def come_back(self) -> str:
        """The address to which the provider sends one back, which is not visited yet."""
        response = await self.go("/inbox/sign-in/oidc", until=CALLBACK)
        assert response.is_redirect, response.text
        return response.headers["location"]

    async def principal(self) -> Principal | None:
        """Who they are here."""
        token = self.http.cookies.get(SESSION, domain="signoff.example")
        found = None if token is None else await signed_in(self.desk.office, token)
        return None if found is None else found.principal


OpenFirm = Callable[..., Any]


@pytest.fixture
def open_firm(open_desk: OpenDesk, firm: LocalProvider) -> OpenFirm:
    """Opens a desk that knows the provider, with settings of one's own."""

    async def opened(*, now: Clock | None = None, **settings: Any) -> Signoff:
        given = {"issuer": firm.issuer, "client_id": CLIENT, "client_secret": SECRET, **settings}
        more = {} if now is None else {"now": now}
        return await open_desk(
            {"questions": graphs.questions()}, public_url=SITE, oidc=given, **more
        )

    return opened


@pytest.fixture
async def desk(open_firm: OpenFirm) -> Signoff:
    """A desk with jane."""
    desk: Signoff = await open_firm(label="Firm <login>")
    await put_users(desk.office, [User(name="jane@firm.com", role=Role.OPERATOR)])
    return desk


async def entries(desk: Signoff) -> list[dict[str, Any]]:
    async with desk.office.database.connection() as conn:
        return await audit.of_thread(conn, ACCESS)


async def refused(person: Person, response: httpx.Response, said: str, status: int = 401) -> None:
    assert response.status_code == status
    assert said in response.text, re.sub("<[^>]+>|\\s+", " ", response.text)
    assert "Sign in with" in response.text
    assert await person.principal() is None
    assert (await person.http.get("/requests")).status_code == 401


async def test_one_signs_in_and_comes_to_where_one_wanted_to_go(
    desk: Signoff, firm: LocalProvider
) -> None:
    person = Person(desk)
    page = await person.go("/inbox?view=overdue")
    assert page.status_code == 401
    page = await person.go("/inbox/sign-in?next=%2Finbox%3Fview%3Doverdue")
    assert "Sign in with Firm &lt;login&gt;" in page.text
    assert 'type="password"' not in page.text, "nobody has a password here"
    [link] = re.findall(r'href="(/inbox/sign-in/oidc[^"]*)"', page.text)
    before = int(time.time())
    page = await person.go(link.replace("&amp;", "&"))
    assert (page.status_code, str(page.url)) == (200, f"{SITE}/inbox?view=overdue")
    principal = await person.principal()
    assert principal is not None
    assert (principal.name, principal.role, principal.method) == (
        "jane@firm.com",
        Role.OPERATOR,
        "oidc",
    )
    assert principal.signed_in_at is not None
    assert before <= principal.signed_in_at.timestamp() <= time.time()
    linked, entry = (await entries(desk))[-2:]
    subject = linked["data"]["subject"]
    assert linked["event"] == "user.linked"
    assert (entry["event"], entry["by"], entry["method"]) == (
        "user.signed_in",
        "jane@firm.com",
        "oidc",
    )
    assert entry["data"] == {
        "method": "oidc",
        "issuer": firm.issuer,
        "subject": subject,
        "address": "127.0.0.1",
    }


async def test_what_goes_over_the_browser_is_of_no_use_to_who_sees_it(desk: Signoff) -> None:
    person = Person(desk)
    await person.sign_in()
    [asked] = [url for url in person.visited if "/authorize/" in url and "nonce" in url][:1]
    query = parse_qs(urlsplit(asked).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["response_type"] == ["code"]
    assert query["redirect_uri"] == [CALLBACK]
    assert len(query["state"][0]) >= 32
    assert len(query["nonce"][0]) >= 32
    assert SECRET not in asked
    async with desk.office.database.connection() as conn:
        rows = await (await conn.execute("SELECT * FROM sign_in_flows")).fetchall()
    assert rows == [], "a flow is taken when it is back"
    assert not any("verifier" in url or "id_token" in url for url in person.visited)


async def test_one_comes_nowhere_else_than_to_the_inbox(desk: Signoff) -> None:
    person = Person(desk)
    for wanted in (
        "https://evil.example/inbox",
        "//evil.example/inbox",
        "/\\evil.example",
        "/inboxes",
        "javascript:alert(1)",
        "http://[",
        "/inbox/\n//evil.example",
        "/inbox/" + "x" * 3000,
    ):
        assert str((await person.sign_in(next=wanted)).url) == f"{SITE}/inbox", wanted[:100]


async def test_one_comes_back_to_an_address_in_any_script(desk: Signoff) -> None:
    back = await Person(desk).sign_in(next="/inbox/threads/合同 100%25?q=ü")
    assert back.url.raw_path == b"/inbox/threads/%E5%90%88%E5%90%8C%20100%25?q=%C3%BC"


async def test_an_answer_counts_once_in_its_own_browser_with_its_own_state(desk: Signoff) -> None:
    person, other = Person(desk), Person(desk)
    url = await person.come_back()
    await other.go("/inbox/sign-in/oidc", until="http://127")
    for wrong in (
        url.replace("state=", "state=x"),
        re.sub(r"state=[^&]*", "", url),
        CALLBACK,
        f"{CALLBACK}?state=%00&code=%ff",
    ):
        await refused(person, await person.http.get(wrong), "This sign-in is over")
    await refused(other, await other.http.get(url), "This sign-in is over")
    assert (await person.http.get(url)).status_code == 303
    assert await person.principal() is not None
    again = Person(desk)
    again.http.cookies = httpx.Cookies(
        {name: value for name, value in person.http.cookies.items() if "session" not in name}
    )
    await refused(again, await again.http.get(url), "This sign-in is over")


async def test_a_code_is_taken_once(desk: Signoff) -> None:
    person, thief = Person(desk), Person(desk)
    url = await person.come_back()
    assert (await person.http.get(url)).status_code == 303
    [code] = parse_qs(urlsplit(url).query)["code"]
    theirs = re.sub(r"code=[^&]*", f"code={code}", await thief.come_back())
    await refused(thief, await thief.http.get(theirs), "does not take this sign-in")
    # Nor one of somebody else that was not used yet: it belongs to another challenge.
    [unused] = parse_qs(urlsplit(await Person(desk).come_back()).query)["code"]
    theirs = re.sub(r"code=[^&]*", f"code={unused}", await thief.come_back())
    await refused(thief, await thief.http.get(theirs), "does not take this sign-in")


async def test_nobody_is_away_at_the_provider_for_ever(open_firm: OpenFirm, clock: Clock) -> None:
    desk = await open_firm(now=clock)
    person = Person(desk)
    url = await person.come_back()
    clock.forward(timedelta(minutes=16))
    await refused(person, await person.http.get(url), "This sign-in is over")


def signed_by(key: jwk.JWK, algorithm: str, **header: str) -> Callable[[str], str]:
    def signed(token: str) -> str:
        made = jwt.JWT(header={"alg": algorithm, **header}, claims=claims_of(token))
        made.make_signed_token(key)
        serialized: str = made.serialize()
        return serialized

    return signed


NOW = int(time.time())

TWISTS: dict[str, dict[str, Any] | Callable[[str], str]] = {
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "for somebody else": {"aud": "other"},
    "for somebody else as well": {"aud": ["other", CLIENT], "azp": "other"},
    "for several, and not who asked": {"aud": ["other", CLIENT]},
    "for nobody": {"aud": None},
    "expired": {"exp": NOW - 3600},
    "never expires": {"exp": None},
    "from the future": {"iat": NOW + 3600},
    "not yet": {"nbf": NOW + 3600},
    "without a time": {"iat": None},
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "nobody": {"sub": None},
    "a subject that is none": {"sub": ["1"]},
    "an empty subject": {"sub": ""},
    "of another access token": {"at_hash": "x"},
    "unsigned": unsigned,
    "without its signature": lambda token: token.rpartition(".")[0] + ".",
    "by a key of their own": signed_by(jwk.JWK.generate(kty="RSA", size=2048), "RS256"),
    # As this provider offers it: it would be the word of anybody who knows the client's secret.
    "by our secret": signed_by(jwk.JWK(kty="oct", k=jwk.base64url_encode(SECRET)), "HS256"),
    "of another kind of key": signed_by(jwk.JWK.generate(kty="EC", crv="P-256"), "ES256"),
    "something else": lambda _: "nothing of the kind",
    "nothing": lambda _: "",
}


async def test_what_proves_nothing_signs_nobody_in(desk: Signoff, firm: LocalProvider) -> None:
    person = Person(desk)
    believed = {}
    for name, twist in TWISTS.items():
        firm.twist = twist if callable(twist) else partial(firm.resigned, **twist)
        response = await person.sign_in()
        if response.status_code != 401 or "cannot be believed" not in response.text:
            believed[name] = response.text
        entry = (await entries(desk))[-1]
        assert (entry["event"], entry["by"]) == ("user.sign_in_failed", "system")
        assert entry["data"]["method"] == "oidc"
        assert entry["data"]["issuer"] == firm.issuer
        assert await person.principal() is None
    assert not believed
    firm.twist = None
    assert (await person.sign_in()).status_code == 200


@pytest.mark.parametrize("seconds", [-50, 50])
async def test_clocks_may_be_a_little_apart(
    desk: Signoff, firm: LocalProvider, seconds: int
) -> None:
    at = int(time.time()) + seconds
    claims = {"iat": at, "nbf": at, "auth_time": at, "exp": at + 1 if seconds < 0 else at + 300}
    firm.twist = partial(firm.resigned, **claims)
    person = Person(desk)
    assert (await person.sign_in(again="1")).status_code == 200
    principal = await person.principal()
    assert principal is not None
    assert principal.signed_in_at is not None
    assert principal.signed_in_at <= datetime.now(UTC), "nobody was here in the future"


async def test_the_provider_may_have_a_new_key(desk: Signoff, firm: LocalProvider) -> None:
    person = Person(desk)
    assert (await person.sign_in()).status_code == 200
    firm.rotate()
    assert (await person.sign_in()).status_code == 200


async def test_a_key_that_the_provider_has_withdrawn_is_not_believed_for_ever(
    desk: Signoff, firm: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openid, "KNOWN_FOR", 0.0)
    leaked = firm.key
    person = Person(desk)
    assert (await person.sign_in()).status_code == 200
    firm.rotate()
    firm.twist = signed_by(leaked, "RS256", kid=leaked.thumbprint())
    person.http.cookies.clear()
    await refused(person, await person.sign_in(), "cannot be believed")


@asynccontextmanager
async def listening(answers: list[bytes]) -> AsyncIterator[str]:
    """Somebody who gives one of these answers to each call, and then none any more."""
    held: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        if answers:
            body = answers.pop(0)
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for each in held:
            each.close()


async def test_a_provider_that_does_not_answer_is_said_on_the_page(
    open_firm: OpenFirm, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [b"", b"<html>", b"[]", b"{}", b'{"issuer": "https://evil.example"}', b"\xff", b"1"]
    async with listening(answers) as issuer:
        person = Person(await open_firm(issuer=issuer, label="The firm"))
        while answers:
            page = await person.sign_in(next="/inbox/threads")
            await refused(person, page, "Try again in a moment", 502)
            assert "next=%2Finbox%2Fthreads" in page.text
        monkeypatch.setattr(openid, "TIMEOUT", 0.1)
        await refused(person, await person.sign_in(), "The firm does not answer", 502)
    await refused(person, await person.sign_in(), "The firm does not answer", 502)


async def test_all_who_sign_in_at_once_wait_for_one_call_to_the_provider(
    desk: Signoff, firm: LocalProvider
) -> None:
    known = Provider(desk.settings.oidc, desk.office.now)
    calls, asked, answer = [], asyncio.Event(), asyncio.Event()

    async def get(url: str) -> dict[str, Any]:
        calls.append(url)
        asked.set()
        await answer.wait()
        raise ProviderUnavailable("not now")

    known._get = get  # type: ignore[method-assign]
    first = asyncio.create_task(known.metadata())
    others = [asyncio.create_task(known.metadata()) for _ in range(5)]
    await asked.wait()
    first.cancel()  # whoever has made the call may be gone before it is answered
    answer.set()
    found = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(each) for each in found] == [asyncio.CancelledError, *[ProviderUnavailable] * 5]
    assert len(calls) == 1
    with pytest.raises(ProviderUnavailable):
        await known.metadata()
    assert len(calls) == 2, "nobody is told for ever that it does not answer"


async def test_who_tries_too_often_does_not_wait_for_the_provider(
    open_firm: OpenFirm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "TRIES", 2)
    answers = [b"", b"", b"never asked for"]
    async with listening(answers) as issuer:
        person = Person(await open_firm(issuer=issuer))
        pages = [await person.sign_in() for _ in range(3)]
    assert [page.status_code for page in pages] == [502, 502, 429]
    assert answers == [b"never asked for"]


async def test_a_provider_that_breaks_on_the_way_is_said_on_the_page(
    desk: Signoff, firm: LocalProvider
) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("on purpose")

    firm.twist = broken
    person = Person(desk)
    await refused(person, await person.sign_in(), "does not answer as it should", 502)


async def test_endpoints_that_others_could_listen_to_are_not_used(
    open_firm: OpenFirm, firm: LocalProvider
) -> None:
    async with httpx.AsyncClient() as http:
        said = (await http.get(f"{firm.issuer}/.well-known/openid-configuration")).json()
    held: dict[str, Any] = said | {"token_endpoint": "http://firm.example/token"}
    desk = await open_firm()
    person = Person(desk)
    told = openid.Provider._get

    async def get(self: Any, url: str, *rest: Any) -> Any:
        return held if "well-known/openid" in url else await told(self, url, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openid.Provider, "_get", get)
        await refused(person, await person.sign_in(), "has no token_endpoint that", 502)


async def test_what_the_provider_says_is_shown_as_text(desk: Signoff) -> None:
    person = Person(desk)
    url = await person.come_back()
    [state] = parse_qs(urlsplit(url).query)["state"]
    said = "<script>alert(1)</script>" + "x" * 9000
    query = urlencode({"state": state, "error": "server_error", "error_description": said})
    page = await person.http.get(f"{CALLBACK}?{query}")
    await refused(person, page, "has not let you in")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "x" * 400 not in page.text
    url = await person.come_back()
    [state] = parse_qs(urlsplit(url).query)["state"]
    denied = f"{CALLBACK}?{urlencode({'state': state, 'error': 'access_denied'})}"
    await refused(person, await person.http.get(denied), "has not let you in, or you did not want")


async def test_an_answer_of_another_provider_is_none(desk: Signoff) -> None:
    person = Person(desk)
    url = f"{await person.come_back()}&iss=https%3A%2F%2Fevil.example"
    await refused(person, await person.http.get(url), "comes from another provider")


async def test_who_always_says_that_an_answer_is_theirs_does_so_to_each_server(
    desk: Signoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to one that has not spoken with the provider before."""
    told = openid.Provider._get

    async def get(self: Any, url: str, *rest: Any) -> Any:
        said = await told(self, url, *rest)
        return {**said, "authorization_response_iss_parameter_supported": True}

    person, elsewhere = Person(desk), Person(desk)
    url = await person.come_back()
    elsewhere.http.cookies = person.http.cookies
    monkeypatch.setattr(openid.Provider, "_get", get)
    await refused(elsewhere, await elsewhere.http.get(url), "comes from another provider")


# --- who one is here -------------------------------------------------------------------------


async def test_who_has_the_name_of_somebody_who_left_is_not_them(
    desk: Signoff, firm: LocalProvider
) -> None:
    assert (await Person(desk).sign_in()).status_code == 200
    # The first jane leaves, and another one is given her address.
    firm.add("jane2", email="jane@firm.com", email_verified=True)
    other = Person(desk, "jane2")
    await refused(other, await other.sign_in(), "is another person at")
    assert (await Person(desk).sign_in()).status_code == 200
    old = Person(desk)
    await old.sign_in()
    assert len(await unlink(desk.office, "jane@firm.com", by="ann")) == 1
    assert await old.principal() is None
    assert (await other.sign_in()).status_code == 200
    first = Person(desk)
    await refused(first, await first.sign_in(), "is another person at")
    assert [e["event"] for e in await entries(desk)].count("user.unlinked") == 1


async def test_one_stays_who_one_is_with_another_address(
    desk: Signoff, firm: LocalProvider
) -> None:
    await Person(desk).sign_in()
    firm.claims["jane"] = {"email": "jane.doe@firm.com", "email_verified": True}
    await put_users(desk.office, [User(name="jane.doe@firm.com", role=Role.ADMIN)])
    person = Person(desk)
    await person.sign_in()
    principal = await person.principal()
    assert principal is not None
    assert principal.name == "jane@firm.com"


async def test_who_was_removed_begins_anew(desk: Signoff, firm: LocalProvider) -> None:
    person = Person(desk)
    await person.sign_in()
    await remove_user(desk.office, "jane@firm.com", by="ann")
    assert await person.principal() is None
    await refused(person, await person.sign_in(), "There is no user jane@firm.com here")
    await put_users(desk.office, [User(name="jane@firm.com")])
    assert (await person.sign_in()).status_code == 200


async def test_an_address_counts_only_once_it_is_verified(
    open_firm: OpenFirm, firm: LocalProvider
) -> None:
    strict = Person(await open_firm(create_users=True))
    trusting = Person(await open_firm(create_users=True, trust_email=True))
    for verified in (False, "false", 1, "yes", None):
        firm.claims["jane"] = {"email": "jane@firm.com", "email_verified": verified}
        for person in (strict, trusting):
            response = await person.sign_in()
            if verified is None and person is trusting:
                assert response.status_code == 200
            else:
                await refused(person, response, "is not verified")


async def test_an_address_may_be_written_otherwise(desk: Signoff, firm: LocalProvider) -> None:
    firm.claims["jane"] = {"email": "Jane@Firm.COM", "email_verified": "true"}
    assert (await Person(desk).sign_in()).status_code == 200
    assert [user.name for user in await list_users(desk.office)] == ["jane@firm.com"]


async def test_claims_may_be_had_only_for_the_asking(desk: Signoff, firm: LocalProvider) -> None:
    firm.only_when_asked = {"email", "email_verified"}
    assert (await Person(desk).sign_in()).status_code == 200


async def test_users_are_made_where_it_is_so_set_and_are_as_the_provider_has_them(
    open_firm: OpenFirm, firm: LocalProvider
) -> None:
    desk = await open_firm(
        create_users=True,
        groups_claim="realm.groups",
        roles={"group:legal": "operator", "contractors": "viewer", "heads": "admin"},
        graphs={"legal": ["contracts", "risk"], "heads": "*", "contractors": ["risk"]},
        allowed_domains=["Firm.com"],
    )

    async def enter(*groups: str, **claims: Any) -> User:
        said = {"email": "jane@firm.com", "email_verified": True, **claims}
        firm.claims["jane"] = said | {"realm": {"groups": list(groups)}}
        assert (await Person(desk).sign_in()).status_code == 200
        return await get_user(desk.office, "jane@firm.com")

    made = await enter("legal", "group:tea", "legal", " ", "x" * 300)
    assert made == User(
        name="jane@firm.com",
        email="jane@firm.com",
        groups=("legal", "tea"),
        role=Role.OPERATOR,
        graphs=("contracts", "risk"),
    )
    moved = await enter("contractors", email="jane.doe@firm.com")
    assert (moved.groups, moved.role, moved.graphs) == (("contractors",), Role.VIEWER, ("risk",))
    assert moved.email == "jane.doe@firm.com"
    head = await enter("heads", "contractors")
    assert (head.role, head.graphs) == (Role.ADMIN, None)
    firm.claims["jane"]["realm"] = {}
    person = Person(desk)
    await refused(person, await person.sign_in(), "None of your groups may know of any graph")
    firm.claims["jane"] |= {"email": "jane@evil.example"}
    await refused(person, await person.sign_in(), "Nobody with your e-mail address")
    changes = [e for e in await entries(desk) if e["event"] in ("user.added", "user.changed")]
    assert [each["event"] for each in changes] == ["user.added", "user.changed", "user.changed"]
    assert changes[1]["data"]["before"]["role"] == "operator"
    assert changes[1]["data"]["after"]["role"] == "viewer"


async def test_what_the_provider_does_not_say_stays_as_it_is_here(
    open_firm: OpenFirm, firm: LocalProvider
) -> None:
    desk = await open_firm(create_users=True, default_role="viewer")
    kept = User(name="jane@firm.com", groups=("legal",), role=Role.ADMIN, graphs=("risk",))
    await put_users(desk.office, [kept])
    await Person(desk).sign_in()
    assert await get_user(desk.office, "jane@firm.com") == kept
    firm.add("tom", email="tom@firm.com", email_verified=True)
    await Person(desk, "tom").sign_in()
    assert (await get_user(desk.office, "tom@firm.com")).role is Role.VIEWER


async def test_many_first_sign_ins_at_once_make_one_user(
    open_firm: OpenFirm, firm: LocalProvider
) -> None:
    desk = await open_firm(create_users=True)
    people = [Person(desk) for _ in range(6)]
    urls = [await person.come_back() for person in people]
    done = await asyncio.gather(
        *(person.http.get(url) for person, url in zip(people, urls, strict=True))
    )
    assert [each.status_code for each in done] == [303] * 6
    assert [e["event"] for e in await entries(desk)].count("user.linked") == 1


# --- sessions --------------------------------------------------------------------------------


async def test_signing_in_gives_a_new_token_whatever_was_there(desk: Signoff) -> None:
    person = Person(desk)
    person.http.cookies.set(SESSION, "chosen-by-somebody-else", domain="signoff.example")
    await person.sign_in()
    first = person.http.cookies.get(SESSION)
    assert first not in (None, "chosen-by-somebody-else")
    await person.sign_in()
    assert person.http.cookies.get(SESSION) != first
    assert await signed_in(desk.office, first or "") is None


async def test_to_sign_in_again_is_to_show_the_provider_anew_who_one_is(
    desk: Signoff, firm: LocalProvider
) -> None:
    person = Person(desk)
    await person.sign_in()
    await person.sign_in()
    assert person.asked == 1, "the provider still knows them"
    page = await person.go("/inbox/sign-in?again=1&next=%2Finbox%2Fthreads")
    assert "Sign in again" in page.text
    [link] = re.findall(r'href="(/inbox/sign-in/oidc[^"]*)"', page.text)
    page = await person.go(link.replace("&amp;", "&"))
    assert str(page.url) == f"{SITE}/inbox/threads"
    assert person.asked == 2
    [asked] = [url for url in person.visited if "prompt=login" in url]
    assert parse_qs(urlsplit(asked).query)["max_age"] == ["0"]


async def test_a_provider_that_has_not_asked_anew_is_not_believed(
    desk: Signoff, firm: LocalProvider
) -> None:
    person = Person(desk)
    for auth_time in (None, NOW - 300, True, "now", -1):
        firm.twist = partial(firm.resigned, auth_time=auth_time)
        response = await person.sign_in(again="1")
        assert response.status_code == 401
        assert "again=1" in response.text
        assert await person.principal() is None


async def test_when_somebody_was_there_is_unknown_where_the_provider_does_not_say(
    desk: Signoff, firm: LocalProvider
) -> None:
    firm.twist = partial(firm.resigned, auth_time=None)
    person = Person(desk)
    await person.sign_in()
    principal = await person.principal()
    assert principal is not None
    assert principal.signed_in_at is None
    old = int(time.time()) - 7200
    firm.twist = partial(firm.resigned, auth_time=old)
    await person.sign_in()
    principal = await person.principal()
    assert principal is not None
    assert principal.signed_in_at == datetime.fromtimestamp(old, UTC)


async def test_one_signs_out_here_and_then_at_the_provider(
    desk: Signoff, firm: LocalProvider
) -> None:
    person = Person(desk)
    page = await person.sign_in()
    token = re.findall(r'name="csrf" value="(\w+)"', page.text)[0]
    headers = {"sec-fetch-site": "same-origin"}
    page = await person.http.post("/inbox/sign-out", data={"csrf": token}, headers=headers)
    assert page.status_code == 200
    [there] = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', page.text)
    there = there.replace("&amp;", "&")
    query = parse_qs(urlsplit(there).query)
    assert query["post_logout_redirect_uri"] == [f"{SITE}/inbox/sign-in"]
    assert claims_of(query["id_token_hint"][0])["iss"] == firm.issuer
    assert await person.principal() is None
    asks = await person.http.get(there)
    assert "Log out of the firm?" in asks.text
    done = await person.http.post(there, data={**_hidden(asks.text), "allow": "yes"})
    assert done.headers["location"].startswith(f"{SITE}/inbox/sign-in")
    await person.sign_in()
    assert person.asked == 2, "the provider knows them no more"


def _hidden(text: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text))


async def test_one_stays_at_the_provider_where_it_is_so_set(open_firm: OpenFirm) -> None:
    desk = await open_firm(create_users=True, sign_out_there=False)
    person = Person(desk)
    page = await person.sign_in()
    token = re.findall(r'name="csrf" value="(\w+)"', page.text)[0]
    headers = {"sec-fetch-site": "same-origin"}
    done = await person.http.post("/inbox/sign-out", data={"csrf": token}, headers=headers)
    assert (done.status_code, done.headers["location"]) == (303, "/inbox/sign-in")


async def test_without_a_provider_there_is_no_way_to_it(open_desk: OpenDesk) -> None:
    person = Person(await open_desk({}))
    assert (await person.http.get("/inbox/sign-in/oidc")).status_code == 404
    assert (await person.http.get(CALLBACK)).status_code == 404
    assert "Sign in with" not in (await person.http.get("/inbox/sign-in")).text
