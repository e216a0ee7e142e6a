"""The inbox in Chromium, against a whole process: keys, what happens meanwhile, what it looks like.

Every page of every test is watched: an error on its console, a violation of the policy of what it
may load, or a call of another host fails the test.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect, sync_playwright

from signoff.client import Client, Request
from signoff.own_machine import ACTS_AS, acting_as
from tests.acceptance.ledger import Ledger
from tests.processes import Program, dev
from tests.web import graphs
from tests.web.test_pages import ATTACKS

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
CONFIG = """\
[graphs]
contracts = "./graphs.py:contracts"
questions = "./graphs.py:questions"
orders = "./graphs.py:orders"
prices = "./graphs.py:prices"
"""
PEOPLE = ["sales@firm.com", "jane", "kim", "lee", "ann", "ben", "slow", "fast"]
CONFIG += "".join(f'\n[[user]]\nname = "{name}"\nrole = "admin"\n' for name in PEOPLE)


def acts_as(name: str) -> dict[str, str]:
    """The header by which a script acts as a user."""
    return {"cookie": f"{ACTS_AS}={acting_as(name)}"}


class Served:
    """A server of the graphs of these tests."""

    def __init__(self, program: Program, ledger: Ledger) -> None:
        self.url = program.ready().url
        self.ledger = ledger
        self.client = Client(self.url, headers=acts_as("sales@firm.com"))

    def asked(self, graph: str = "contracts", **given: Any) -> Request:
        """What a new thread asks."""
        if graph == "contracts":
            given.setdefault("client", "Acme")
        order = {"assistant_id": graph, "input": given, "if_not_exists": "create"}
        headers = acts_as("sales@firm.com")
        thread = f"t-{os.urandom(6).hex()}"
        path = f"{self.url}/threads/{thread}/runs/wait"
        httpx.post(path, json=order, headers=headers, timeout=60).raise_for_status()
        return self.client.requests(thread_id=thread).items[0]

    def rest(self, thread_id: str) -> None:
        """Return once nothing is under way on a thread."""
        self.ledger.until("SELECT 1 FROM threads WHERE id = %s AND status <> 'busy'", thread_id)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with these graphs."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(graphs.__file__, folder / "graphs.py")
    (folder / "signoff.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def served(project: Path, module_database_url: str) -> Iterator[Served]:
    """A server for all tests."""
    with (
        dev("--no-reload", project=project, database_url=module_database_url) as program,
        Ledger(module_database_url) as ledger,
    ):
        found = Served(program, ledger)
        with found.client:
            yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of the machine."""
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or "/usr/bin/chromium"
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser, served: Served) -> Iterator[OpenPage]:
    """Opens pages of the inbox in browsers of their own: `open_page("/inbox", by="jane")`."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def opened(path: str, *, by: str = "jane", server: str = "", **options: Any) -> Page:
        context = chromium.new_context(
            base_url=server or served.url, **{"viewport": {"width": 1200, "height": 800}, **options}
        )
        contexts.append(context)
        cookie = {"name": ACTS_AS, "value": acting_as(by), "url": served.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
        host = urlsplit(server or served.url).netloc

        def answered(response: Response) -> None:
            if urlsplit(response.url).netloc != host:
                wrong.append(f"it called {response.url}")

        page = context.new_page()
        page.on("response", answered)
        page.on("pageerror", lambda error: wrong.append(f"{path}: {error}"))
        page.on(
            "console",
            lambda said: wrong.append(f"{path}: {said.text}") if said.type == "error" else None,
        )
        page.goto(path)
        return page

    opened.wrong = wrong  # type: ignore[attr-defined]
    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def test_deciding_with_the_keyboard_alone_and_on_to_the_next(
    served: Served, open_page: OpenPage
) -> None:
    second = served.asked("questions", payload="Second?", policy={})
    first = served.asked(client="Keys", policy={"to": ["kim"]})
    served.asked(client="Keys too", policy={"to": ["kim"]})
    page = open_page("/inbox?view=mine&sort=opened_at", by="kim")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Contract v1 for Keys", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Contract v1 for Keys")
    page.keyboard.press("c")
    expect(page.get_by_role("status").filter(has_text="You have claimed")).to_be_visible()
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Approve")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your decision is on its way")).to_be_visible()
    expect(page.get_by_text("The graph is done.")).to_be_visible()
    expect(page.get_by_role("link", name="Next request")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Contract v1 for Keys too")
    outcome = served.client.request(first.id).outcome
    assert outcome is not None
    assert (outcome.action, outcome.by) == ("approve", "kim")
    assert served.client.request(second.id).state == "open"
    page.keyboard.press("u")
    page.wait_for_url("**/inbox?*view=mine*")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_request_is_claimed_and_released_from_the_list(
    served: Served, open_page: OpenPage
) -> None:
    request = served.asked("questions", payload="Whose is this?")
    page = open_page("/inbox?view=open&q=whose", by="lee")
    row = page.locator(f'[data-id="{request.id}"]')
    page.keyboard.press("j")
    for who in ("claimed by you", "anyone", "claimed by you"):
        page.keyboard.press("c")
        expect(row.locator(".who")).to_contain_text(who)
    assert served.client.request(request.id).claimed_by == "lee"
    expect(page.get_by_role("link", name="Whose is this?")).to_be_focused()
    late = open_page("/inbox?view=open&q=whose", by="kim")
    late.keyboard.press("j")
    late.keyboard.press("c")
    expect(late.locator("[data-now]")).to_contain_text("lee")
    expect(late.locator(".who")).to_contain_text("claimed by lee")
    wrong: list[str] = open_page.wrong  # type: ignore[attr-defined]
    assert len(wrong) == 1
    assert "409" in wrong.pop()


def test_whoever_has_it_open_hears_that_something_else_is_asked(
    served: Served, open_page: OpenPage
) -> None:
    both = served.client.requests(thread_id=served.asked("prices").thread_id).items
    [price] = [each for each in both if each.title.startswith("Buy at")]
    [budget] = [each for each in both if each.title == "Within the budget?"]
    page = open_page(f"/inbox/requests/{price.id}")
    page.get_by_label("Note").first.fill("That is")
    served.client.decide(budget.id, "yes")
    expect(page.locator("#live")).to_contain_text("What is asked has changed.")
    expect(page.get_by_role("button", name="Approve")).to_be_disabled()
    expect(page.get_by_label("Note").first).to_have_value("That is")
    page.get_by_role("link", name="Show what is asked now").click()
    now = served.client.request(price.id)
    assert now.title != price.title
    expect(page.get_by_role("heading", level=1)).to_have_text(now.title)


def test_what_is_new_is_said_and_nothing_moves(served: Served, open_page: OpenPage) -> None:
    kept = served.asked("questions", payload="Kept?", policy={})
    page = open_page("/inbox?view=open&q=kept")
    row = page.locator(f'[data-id="{kept.id}"]')
    page.wait_for_function("document.readyState === 'complete'")
    before = row.bounding_box()
    served.asked("questions", payload="Also kept?")
    served.asked("questions", payload="Something else?")
    fresh = page.locator("[data-fresh]")
    expect(fresh).to_have_text("1 new")
    assert row.bounding_box() == before
    served.client.decide(kept.id, "respond", values={"value": "yes"})
    expect(row).to_contain_text("answered by sales@firm.com just now")
    assert row.bounding_box() == before
    fresh.click()
    expect(page.get_by_role("link", name="Also kept?")).to_be_visible()
    expect(row).to_have_count(0)


def test_whoever_has_it_open_hears_that_somebody_else_was_faster(
    served: Served, open_page: OpenPage
) -> None:
    request = served.asked(client="Raced")
    path = f"/inbox/requests/{request.id}"
    slow, fast = open_page(path, by="slow"), open_page(path, by="fast")
    slow.get_by_label("Note").first.fill("I am still think")
    fast.get_by_role("button", name="Approve").click()
    expect(slow.locator("#live")).to_contain_text("fast approved this request already.")
    expect(slow.get_by_role("button", name="Approve")).to_be_disabled()
    expect(slow.get_by_label("Note").first).to_have_value("I am still think")


def test_of_two_who_send_at_once_one_wins_and_one_is_told(
    served: Served, open_page: OpenPage
) -> None:
    request = served.asked(client="Raced", policy={})
    path = f"/inbox/requests/{request.id}"
    pages = [open_page(path, by=name, java_script_enabled=False) for name in ("ann", "ben")]
    for page in pages:
        page.get_by_role("button", name="Approve").click(no_wait_after=True)
    said = [page.locator(".notice").first.text_content() or "" for page in pages]
    assert sorted("Done." in each for each in said) == [False, True], said
    assert any("approved this request already. Your answer was not sent" in each for each in said)
    assert len(served.client.request(request.id).votes) == 1
    wrong: list[str] = open_page.wrong  # type: ignore[attr-defined]
    assert len(wrong) == 1
    assert "409" in wrong.pop()


def test_changed_arguments_are_shown_while_one_types(served: Served, open_page: OpenPage) -> None:
    request = served.asked("questions", payload=graphs.CALL)
    page = open_page(f"/inbox/requests/{request.id}")
    page.keyboard.press("e")
    expect(page.get_by_label("To", exact=True)).to_be_focused()
    page.get_by_label("Subject").fill("Your second invoice")
    expect(page.get_by_role("region", name="Your changes").locator("ins")).to_have_text("second ")
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_text("Your decision is on its way")).to_be_visible()
    outcome = served.client.request(request.id).outcome
    assert outcome is not None
    assert outcome.values["args"]["subject"] == "Your second invoice"


def test_several_are_picked_and_decided_together(served: Served, open_page: OpenPage) -> None:
    for n in range(3):
        served.asked(client=f"Together {n}")
    page = open_page("/inbox?view=open&q=together&sort=opened_at")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Decide together").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Decide 2 requests together")
    page.get_by_role("button", name="Approve all 2").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 of 2 done: Approve")


def test_without_javascript_one_reads_and_decides(served: Served, open_page: OpenPage) -> None:
    request = served.asked("orders")
    page = open_page(f"/inbox/requests/{request.id}", java_script_enabled=False)
    page.get_by_text("Order…").click()
    page.get_by_label("Supplier").fill("Acme")
    page.get_by_label("Amount").fill("3")
    page.get_by_role("button", name="Order").click()
    expect(page.get_by_text("Your decision is on its way")).to_be_visible()
    outcome = served.client.request(request.id).outcome
    assert outcome is not None
    assert outcome.values["amount"] == 3


@pytest.fixture(scope="module")
def places(served: Served) -> dict[str, str]:
    """Pages of all kinds, by what they show."""
    first = served.asked(
        client="Shown", policy={"quorum": 2, "within": "2h", "otherwise": "reject"}
    )
    for by in ("ann", "ben"):
        with Client(served.url, headers=acts_as(by)) as client:
            client.decide(first.id, "request_changes", note="45 days, please.")
    served.rest(first.thread_id)
    [second] = served.client.requests(thread_id=first.thread_id, state="open").items
    failed = served.asked("questions", payload="Boom?")
    served.client.decide(failed.id, "respond", values={"value": "boom"})
    attack = {"question": ATTACKS[1], "text": "\n".join(ATTACKS), "rows": [{"a": 1}, {"a": 2}]}
    served.rest(failed.thread_id)
    asked = {
        "call": served.asked("questions", payload=graphs.CALL),
        "batch": served.asked("questions", payload=graphs.BATCH),
        "form": served.asked("orders"),
        "attack": served.asked("questions", payload=attack),
    }
    return {
        "list": "/inbox?view=open",
        "decided": "/inbox?view=decided",
        "nothing": "/inbox?view=open&q=nosuchthing&topic=x",
        "request": f"/inbox/requests/{second.id}",
        "closed": f"/inbox/requests/{first.id}",
        "failed": f"/inbox/requests/{failed.id}",
        **{name: f"/inbox/requests/{request.id}" for name, request in asked.items()},
        "threads": "/inbox/threads",
        "thread": f"/inbox/threads/{first.thread_id}",
        "failed thread": f"/inbox/threads/{failed.thread_id}",
        "start": "/inbox/start/orders",
        "overview": "/inbox/overview",
        "preferences": "/inbox/preferences",
        "problem": "/inbox/requests/none",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(
    places: dict[str, str], open_page: OpenPage, scheme: str
) -> None:
    page = open_page("/inbox", color_scheme=scheme)
    source = AXE.read_text(encoding="utf-8")
    found = []
    for name, path in places.items():
        page.goto(path)
        for view in ("", "#view-changes"):
            if view and not page.locator(view).count():
                continue
            if view:
                page.locator(f'label[for="{view[1:]}"]').click()
            page.evaluate(
                "for (const each of document.querySelectorAll('details')) each.open = true"
            )
            page.evaluate(source)
            report = page.evaluate(
                """() => axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})"""
            )
            found += [
                f"{name}{view}: {each['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
                for each in report["violations"]
                for node in each["nodes"]
            ]
    wrong: list[str] = open_page.wrong  # type: ignore[attr-defined]
    assert [each for each in wrong if "404" not in each] == []
    wrong.clear()
    assert found == []


def test_what_is_new_for_somebody_is_counted_until_they_look(
    served: Served, open_page: OpenPage
) -> None:
    page = open_page("/inbox?view=mine", by="ben")
    served.asked(client="Ann's", policy={"to": ["ann"]})
    served.asked(client="Ben's", policy={"to": ["ben"]})
    page.goto("/inbox/overview")
    page.get_by_role("link", name="Inbox 1 new for you").click()
    page.wait_for_selector("[data-page=list]")
    page.goto("/inbox/overview", wait_until="networkidle")
    assert page.locator("[data-unread]").is_hidden()


NOTIFICATIONS = """
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return this.permission = "granted"; }
  constructor(title, { tag }) { document.documentElement.dataset.told ??= `${title} ${tag}`; }
};
"""


def test_whoever_wants_it_is_notified_by_the_browser_of_what_is_for_them(
    served: Served, open_page: OpenPage
) -> None:
    page = open_page("/inbox", by="lee")
    page.add_init_script(NOTIFICATIONS)
    page.goto("/inbox/preferences")
    with page.expect_request("**/inbox/live?mine=true") as live:
        page.get_by_role("button", name="Notify me in this browser").click()
    live.value.response()
    served.asked(client="Nobody's", policy={"to": ["ben"]})
    request = served.asked(client="Lee's", policy={"to": ["lee"]})
    page.wait_for_selector("html[data-told]")
    told = page.locator("html").get_attribute("data-told")
    assert told == f"{request.title} {request.id}"
    # Off again, also on the next page.
    page.get_by_role("button", name="Stop notifying me").click()
    page.reload()
    assert page.get_by_role("button", name="Notify me in this browser").is_visible()


def test_nothing_is_wider_than_a_small_screen(places: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("/inbox", viewport={"width": 360, "height": 740})
    wide = []
    for name, path in places.items():
        page.goto(path)
        width = page.evaluate("document.scrollingElement.scrollWidth")
        if width > 360:
            wide.append((name, width))
    open_page.wrong.clear()  # type: ignore[attr-defined] # the page that is not there
    assert wide == []


def test_the_list_is_light_and_does_not_shift(served: Served, open_page: OpenPage) -> None:
    for n in range(3):
        served.asked("questions", payload=f"Light {n}?")
    page = open_page("/healthz")  # which loads nothing that the list needs
    page.wait_for_load_state("networkidle")
    open_page.wrong.clear()  # type: ignore[attr-defined] # it has no icon
    sizes: list[int] = []
    page.on(
        "requestfinished",
        lambda request: sizes.append(
            0 if "live" in request.url else request.sizes()["responseBodySize"]
        ),
    )
    page.add_init_script(
        """window.shifted = 0; new PerformanceObserver((list) => {
             for (const entry of list.getEntries()) window.shifted += entry.value;
           }).observe({type: "layout-shift", buffered: true});"""
    )
    page.goto("/inbox?view=open")
    page.keyboard.press("j")
    assert page.evaluate("window.shifted") == 0
    assert 5_000 < sum(sizes) < 150_000


def test_an_open_page_survives_a_restart_of_its_server(
    project: Path, module_database_url: str, served: Served, open_page: OpenPage
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    options = ("--no-reload", "--port", port)
    with dev(*options, project=project, database_url=module_database_url) as program:
        page = open_page("/inbox?view=open&q=restart", server=program.ready().url)
        expect(page.get_by_text("Nothing matches")).to_be_visible()
        program.stop()
    expect(page.locator("body[data-offline]")).to_have_count(1)
    served.asked("questions", payload="After the restart?")
    with dev(*options, project=project, database_url=module_database_url) as program:
        program.ready()
        expect(page.locator("[data-fresh]")).to_have_text("1 new", timeout=30_000)
        expect(page.locator("body[data-offline]")).to_have_count(0)
        page.context.close()
    open_page.wrong.clear()  # type: ignore[attr-defined] # connections that were refused
