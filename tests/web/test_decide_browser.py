"""From an e-mail to the graph that goes on, in Chromium: with scripts and without, on a phone."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Response, async_playwright, expect

from signoff import Signoff
from signoff.authentication import nobody_else
from signoff.channels.email import EmailChannel
from signoff.domain.user import User
from signoff.pauses import any_kind
from signoff.service.send import send_due
from signoff.service.users import put_users
from signoff.worker.courier import Courier
from tests.api.conftest import serving
from tests.channels.test_email import Inbox
from tests.channels.test_email import serving as mail_server
from tests.conftest import OpenDesk
from tests.service.test_notify import all_written
from tests.web import graphs

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"

SIZES = {"desktop": (1200, 800), "phone": (360, 740)}


@pytest.fixture
def mail() -> Iterator[Any]:
    """A mail server, and what it has taken."""
    inbox = Inbox()
    with mail_server(inbox) as server:
        yield inbox, server


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser of the machine."""
    async with async_playwright() as playwright:
        found = shutil.which("chromium") or "/usr/bin/chromium"
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def site(open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> Signoff:
    """A desk that sends what it is told to, when it is told to."""
    monkeypatch.setattr(Courier, "start", lambda _self: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    desk: Signoff = await open_desk(graphs.everything(), public_url=url)
    return desk


async def mailed_link(desk: Signoff, taken: list[Any]) -> str:
    """The path of the link in the latest e-mail to jane."""
    await all_written(desk)
    await send_due(desk.office)
    [recipient], content = taken[-1]
    assert recipient == "jane@firm.com"
    text = content.get_body("plain").get_content()
    html = content.get_body("html").get_content()
    [path] = re.findall(r"(/decide/[\w-]{43})\s*$", text, re.M)
    assert path in html
    return str(path)


@pytest.mark.parametrize(("size", "scripts"), [("phone", True), ("desktop", False)])
async def test_from_an_email_to_the_graph_that_goes_on(
    site: Signoff, mail: Any, size: str, scripts: bool
) -> None:
    inbox, server = mail
    site.office.channels["email"] = EmailChannel(
        server, sender="signoff@firm.com", sections=any_kind.sections, now=site.office.now
    )
    await put_users(site.office, [User(name="jane", email="jane@firm.com")])
    run = await site.start("contracts", {"client": "Acme", "policy": {"to": ["jane"]}}, by="sales")
    await site.wait(run.thread_id, timeout=30)
    path = await mailed_link(site, inbox.taken)
    wrong: list[str] = []
    width, height = SIZES[size]
    async with (
        serving(site.asgi_app(authenticate=nobody_else)) as url,
        chromium() as browser,
    ):
        context = await browser.new_context(
            base_url=url,
            viewport={"width": width, "height": height},
            java_script_enabled=scripts,
            color_scheme="dark" if scripts else "light",
        )
        page = await context.new_page()

        def answered(response: Response) -> None:
            if not response.url.startswith(url):
                wrong.append(response.url)

        page.on("response", answered)
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        await page.goto(path)
        await expect(page.get_by_role("heading", name="Contract v1 for Acme")).to_be_visible()
        await check_looks(page, width, scripts)
        await page.get_by_label("Note").fill("Fine by me.")
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_text("Nothing is decided yet.")).to_be_visible()
        await check_looks(page, width, scripts)
        await page.get_by_role("button", name="Back").click()
        await expect(page.get_by_label("Note")).to_have_value("Fine by me.")
        await page.get_by_role("button", name="Approve").click()
        await page.get_by_role("button", name="Yes").click()
        await expect(page.get_by_text("By this link you chose Approve")).to_be_visible()
        await check_looks(page, width, scripts)
        await page.reload()
        await expect(page.get_by_text("By this link you chose Approve")).to_be_visible()
        await page.get_by_role("link", name="Open it in the inbox").click()
        await expect(page.get_by_role("heading", name="Nobody is signed in")).to_be_visible()
        await context.close()
    assert [each for each in wrong if "401" not in each] == []
    thread = await asyncio.wait_for(site.wait(run.thread_id), 30)
    assert thread.values["status"] == "approve, filed"
    [request] = (await site.requests(thread_id=run.thread_id)).items
    assert request.outcome is not None
    assert (request.outcome.by, request.outcome.note) == ("jane", "Fine by me.")


async def check_looks(page: Page, width: int, scripts: bool) -> None:
    """Nothing is wider than the screen, and everybody can use it."""
    if not scripts:
        return
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    found = await page.evaluate(f"() => {{ {AXE.read_text()}; return axe.run(document); }}")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
