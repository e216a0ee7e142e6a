"""Pictures of the inbox for the README and the documentation: `make screenshots`.

A desk lives through a month on a clock that the script moves; then Chromium looks at its pages.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from signoff import Signoff
from signoff.config import Settings
from signoff.domain.request import Request
from signoff.own_machine import OwnMachine
from tests.api.conftest import serving
from tests.web import graphs

OUT = Path(__file__).parent / "images"
SIZE = {"width": 1180, "height": 760}
PEOPLE = ("jane@firm.com", "bob@firm.com", "eva@firm.com")
CLIENTS = ("Acme GmbH", "Borealis Shipping AS", "Cascade Water Inc.", "Delta Foods plc")


class Month:
    """A desk on a clock that begins a month ago."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime.now(UTC) - timedelta(days=30)
        settings = Settings(data_dir=folder)
        self.desk = Signoff(None, graphs.everything(), settings, now=lambda: self.now)
        self._random = random.Random(5)  # noqa: S311 - pictures are to look the same each time

    async def ask(self, graph: str, thread_id: str, **given: Any) -> Request:
        """What a new thread asks."""
        await self.desk.start(graph, given, by="sales@firm.com", thread_id=thread_id)
        return await self.next(thread_id)

    async def next(self, thread_id: str) -> Request:
        """What a thread asks now."""
        await self.desk.wait(thread_id)
        return (await self.desk.requests(thread_id=thread_id, state="open")).items[0]

    async def pass_by(self) -> None:
        """Live through the month: a few requests a day, decided sooner or later."""
        chance = self._random
        for day in range(30):
            for n in range(chance.randint(1, 4)):
                self.now += timedelta(hours=chance.uniform(0.5, 4))
                thread = f"contract-2026-{day:02}{n}"
                client = chance.choice(CLIENTS)
                asked = await self.ask("contracts", thread, client=client, policy={"within": "6h"})
                self.now += timedelta(minutes=chance.lognormvariate(4, 0.9))
                await self.desk.decide(asked.id, "approve", by=chance.choice(PEOPLE))
                await self.desk.wait(thread)
            start = datetime.now(UTC) - timedelta(days=29 - day)
            self.now = max(self.now, start - timedelta(minutes=40))

    async def leave_open(self) -> dict[str, str]:
        """What waits at its end: the paths of pages to look at, by name."""
        self.now = datetime.now(UTC) - timedelta(hours=3)
        acme = "contract-acme-2026-041"
        first = await self.ask("contracts", acme, client="Acme GmbH", policy={"within": "24h"})
        await self.desk.decide(
            first.id, "request_changes", by="bob@firm.com", note="Payment within 45 days, please."
        )
        second = await self.next(acme)
        self.now += timedelta(minutes=50)
        policy = {"to": ["group:legal"], "quorum": 2, "within": "4h", "priority": "urgent"}
        await self.ask("contracts", "contract-borealis-2026-042", client=CLIENTS[1], policy=policy)
        policy = {"within": "30m"}
        late = await self.ask(
            "contracts", "contract-cascade-2026-043", client=CLIENTS[2], policy=policy
        )
        await self.desk.claim(late.id, by="eva@firm.com")
        self.now += timedelta(minutes=70)
        call = await self.ask("questions", "support-7731", payload=graphs.CALL)
        form = await self.ask("orders", "stock-2026-118", policy={"to": ["jane@firm.com"]})
        await self.ask("questions", "support-7732", payload=graphs.BATCH)
        self.now = datetime.now(UTC)
        return {
            "list": "/inbox?view=open",
            "request": f"/inbox/requests/{second.id}",
            "call": f"/inbox/requests/{call.id}",
            "form": f"/inbox/requests/{form.id}",
            "thread": f"/inbox/threads/{acme}",
            "overview": "/inbox/overview",
        }


async def look(browser: Browser, url: str, name: str, path: str, scheme: str) -> None:
    """Take a picture of a page."""
    context = await browser.new_context(viewport=SIZE, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(url + path)
    if name == "request":
        await page.click('label[for="view-changes"]')
    if name in ("call", "form"):
        await page.keyboard.press("e" if name == "call" else "a")
        await page.evaluate("scrollTo(0, 0)")
    await page.screenshot(path=OUT / f"inbox-{name}-{scheme}.png")
    await context.close()


async def main() -> None:
    """Write all pictures."""
    OUT.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory(prefix="signoff-screenshots-") as folder:
        month = Month(Path(folder))
        async with month.desk as desk:
            await month.pass_by()
            pages = await month.leave_open()
            app = desk.asgi_app(authenticate=OwnMachine("jane@firm.com"))
            async with serving(app) as url, async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox"]
                )
                for name, path in pages.items():
                    for scheme in ("light", "dark"):
                        await look(browser, url, name, path, scheme)
                await browser.close()
    print(f"{len(pages) * 2} pictures in {OUT}")


if __name__ == "__main__":
    asyncio.run(main())
