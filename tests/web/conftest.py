"""A desk with a few graphs, and a browser without JavaScript."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Self

import httpx
import pytest

from signoff import Signoff
from signoff.domain.request import Request
from tests.conftest import OpenDesk
from tests.people import as_, named
from tests.web import graphs


@dataclass
class Form:
    """A form of a page: where it goes, what is filled in, and its buttons by their text."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: dict[str, dict[str, str | None]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of its fields."""
        return [name for name, _ in self.fields]

    def value(self, name: str) -> str:
        """What a field is filled with."""
        return dict(self.fields)[name]


class Page(HTMLParser):
    """A page as it was answered."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.status = response.status_code
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._words: list[str] = []
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._select: str | None = None
        self._option: str | None = None
        self.feed(response.text)
        self.close()

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        return cls(response)

    @property
    def text(self) -> str:
        """All that there is to read, with single spaces."""
        return re.sub(r"\s+", " ", " ".join(self._words))

    def form(self, part: str) -> Form:
        """The form whose address has that in it."""
        [found] = [form for form in self.forms if part in form.action]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag == "form":
            self.forms.append(Form(given.get("action") or ""))
        elif tag == "input" and self.forms and (name := given.get("name")):
            kind = given.get("type") or "text"
            if kind not in ("checkbox", "radio") or "checked" in given:
                self.forms[-1].fields.append((name, given.get("value") or ""))
        elif tag == "select":
            self._select, self._option = given.get("name"), None
        elif tag == "option" and (self._option is None or "selected" in given):
            self._option = given.get("value") or ""
        elif tag in ("textarea", "button", "a"):
            self._open.append((tag, given, []))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self._select and self.forms:
            self.forms[-1].fields.append((self._select, self._option or ""))
        if not self._open or self._open[-1][0] != tag:
            return
        _, given, words = self._open.pop()
        text = "".join(words)
        if tag == "textarea" and (name := given.get("name")):
            # As browsers do: the first line break is no part of the text.
            self.forms[-1].fields.append((name, re.sub(r"\A\r?\n", "", text)))
        elif tag == "button" and self.forms:
            self.forms[-1].buttons[" ".join(text.split())] = given
        elif tag == "a":
            self.links[" ".join(text.split())] = given.get("href") or ""

    def handle_data(self, data: str) -> None:
        self._words.append(data)
        for _, _, words in self._open:
            words.append(data)


@dataclass
class Browser:
    """Somebody at a browser without JavaScript."""

    http: httpx.AsyncClient

    async def open(self, path: str, **parameters: Any) -> Page:
        """The page at an address."""
        return Page.of(await self.http.get(path, params=parameters or None))

    async def send(
        self, form: Form, button: str | None = None, **typed: str | list[str] | None
    ) -> Page:
        """What comes of sending a form, with `typed` in place of what is filled in."""
        fields = [(name, value) for name, value in form.fields if name not in typed]
        for name, value in typed.items():
            several = value if isinstance(value, list) else [value]
            fields += [(name, each) for each in several if each is not None]
        action = form.action
        if button is not None:
            pressed = next(given for text, given in form.buttons.items() if text.startswith(button))
            action = pressed.get("formaction") or action
            if pressed.get("name"):
                fields.append((str(pressed["name"]), pressed.get("value") or ""))
        return await self.post(action, fields)

    async def post(self, path: str, fields: list[tuple[str, str]]) -> Page:
        """What comes of sending these fields."""
        encoded = httpx.QueryParams(fields)
        response = await self.http.post(
            path,
            content=str(encoded),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        return Page.of(response)


@dataclass
class Site:
    """An inbox under test."""

    desk: Signoff
    app: Any

    def browser(self, by: str = "jane") -> Browser:
        """A browser of somebody."""
        return Browser(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=self.app),
                base_url="http://127.0.0.1",
                headers=as_(by),
                follow_redirects=True,
                timeout=30,
            )
        )

    async def asked(self, graph: str = "contracts", by: str = "sales", **given: Any) -> Request:
        """What a new thread asks."""
        if graph == "contracts":
            given.setdefault("client", "Acme")
        run = await self.desk.start(graph, given, by=by)
        await self.desk.wait(run.thread_id, timeout=30)
        return (await self.waiting(run.thread_id))[0]

    async def waiting(self, thread_id: str) -> list[Request]:
        """What a thread asks."""
        return (await self.desk.requests(thread_id=thread_id, state="open")).items


@pytest.fixture
async def site(open_desk: OpenDesk) -> Site:
    """An inbox of a desk with a few graphs."""
    desk = await open_desk(graphs.everything())
    return Site(desk, desk.asgi_app(authenticate=named))


@pytest.fixture
def jane(site: Site) -> Browser:
    """Jane's browser."""
    return site.browser("jane")
