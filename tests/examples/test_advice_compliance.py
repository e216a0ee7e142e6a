"""Regulated advice as it is served: what the rules hold back goes out as the officer has it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client

from signoff import Signoff
from signoff.domain.errors import Forbidden, InvalidAnswer
from signoff.service.keys import create_key
from tests.api.conftest import serving
from tests.conftest import Clock
from tests.examples.conftest import EXAMPLES, Example

FOLDER = EXAMPLES / "advice_compliance"
OLGA, OMAR, TELLER = "olga@firm.com", "omar@firm.com", "teller@firm.com"
CLIENT = "weber@mail.org"
PENSION = {"client": CLIENT, "question": "What about my pension?"}
RISKY = "You should move your whole pension"
EDITED = "Let us first look at what you need in retirement."


def ask(example: Example, thread: str, question: str = PENSION["question"]) -> dict[str, Any]:
    """A thread of somebody at the counter, who asks for a client."""
    return example.start(
        "advice_compliance", thread, by=TELLER, client=f"{thread}@mail.org", question=question
    )


def sent(folder: Path, thread: str) -> list[str]:
    path = folder / "outbox.jsonl"
    mails = map(json.loads, path.read_text().splitlines() if path.exists() else [])
    return [mail["text"] for mail in mails if mail["to"] == f"{thread}@mail.org"]


def test_an_answer_that_no_rule_speaks_against_is_sent_at_once(example: Example) -> None:
    done = ask(example, "costs", "What does the fund cost?")
    assert (done["status"], done["values"]["status"]) == ("idle", "cleared")
    assert sent(example.effects, "costs") == [done["values"]["draft"]]
    assert example.requests("costs") == []


def test_an_answer_that_is_held_back_pauses_before_the_officer_and_is_not_sent(
    example: Example,
) -> None:
    paused = ask(example, "held")
    assert (paused["status"], paused["values"]["status"]) == ("interrupted", "paused")
    assert example.http.get("/threads/held/state").json()["next"] == ["officer_review"]
    request = example.open("held")
    assert (request.kind, request.title) == ("breakpoint", "May this be sent to held@mail.org?")
    assert list(request.payload["values"]) == ["question", "draft", "problems"]
    assert request.payload["values"]["draft"].startswith(RISKY)
    assert "promises a return" in request.payload["values"]["problems"]
    assert sent(example.effects, "held") == []


def test_the_officers_answer_is_sent_in_place_of_the_models(example: Example) -> None:
    ask(example, "edited")
    done = example.answer("edited", "continue", OLGA, values={"edited_answer": EDITED})
    assert (done["status"], done["values"]["status"]) == ("idle", "edited")
    assert sent(example.effects, "edited") == [EDITED]


def test_an_answer_that_is_rejected_falls_back_to_one_that_is_safe(example: Example) -> None:
    ask(example, "rejected")
    said = {"verdict": "reject", "reason": "Leverage for a pensioner."}
    done = example.answer("rejected", "continue", OLGA, values=said)
    assert (done["values"]["status"], done["values"]["reason"]) == ("rejected", said["reason"])
    [mail] = sent(example.effects, "rejected")
    assert mail.startswith("Thank you for your question.")


def test_it_is_compliance_that_decides_and_in_the_words_of_the_form(example: Example) -> None:
    ask(example, "strict")
    with pytest.raises(Forbidden, match="group:compliance"):
        example.answer("strict", "continue", TELLER)
    with pytest.raises(InvalidAnswer) as refused:
        example.answer("strict", "continue", OLGA, values={"verdict": "maybe"})
    assert [error.pointer for error in refused.value.errors] == ["/values/verdict"]
    with pytest.raises(InvalidAnswer):
        example.answer("strict", "continue", OLGA, values={"draft": "Buy."})
    assert example.answer("strict", "abort", OLGA)["status"] == "idle"
    assert sent(example.effects, "strict") == []


def test_whoever_asked_for_a_client_does_not_release_the_answer(example: Example) -> None:
    example.start("advice_compliance", "own", by=OLGA, client="own@mail.org", question="My pension")
    with pytest.raises(Forbidden):
        example.answer("own", "continue", OLGA)
    assert example.answer("own", "continue", OMAR)["values"]["status"] == "approved"
    assert sent(example.effects, "own") == [example.values("own")["draft"]]


def test_langgraphs_own_calls_inject_the_answer_and_go_on_with_none(example: Example) -> None:
    ask(example, "sdk")
    before = example.open("sdk")
    officer = get_sync_client(url=example.url, headers=example.as_(OLGA))
    officer.threads.update_state("sdk", {"edited_answer": EDITED})

    assert [each.state for each in example.requests("sdk")] == ["superseded", "open"]
    assert example.open("sdk").id != before.id
    teller = get_sync_client(url=example.url, headers=example.as_(TELLER))
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        teller.runs.wait("sdk", "advice_compliance", input=None)
    assert sent(example.effects, "sdk") == []

    values: Any = officer.runs.wait("sdk", "advice_compliance", input=None)
    assert (values["status"], values["answer"]) == ("edited", EDITED)
    assert sent(example.effects, "sdk") == [EDITED]


@pytest.fixture
async def desk(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Signoff]:
    """The example in this process, on the test's clock."""
    monkeypatch.setenv("SIGNOFF_EXAMPLE_FOLDER", str(tmp_path))
    monkeypatch.setenv("SIGNOFF_EXAMPLE_MODEL", "")
    monkeypatch.syspath_prepend(str(FOLDER))
    known = set(sys.modules)
    async with Signoff(database_url, config=FOLDER / "signoff.toml", now=clock) as opened:
        yield opened
    for name in set(sys.modules) - known:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


async def test_the_sweep_releases_what_is_stale_and_nothing_else(
    desk: Signoff, clock: Clock, tmp_path: Path
) -> None:
    module = import_module("sweep")
    for thread in ("stale", "decided", "fresh"):
        if thread == "fresh":
            clock.forward(timedelta(hours=3))
        given = {**PENSION, "client": f"{thread}@mail.org"}
        await desk.start("advice_compliance", given, by=TELLER, thread_id=thread)
        await desk.wait(thread, timeout=30)
    _, key = await create_key(desk.office, "sweep", by="test", user="sla-sweep@firm.com")
    async with serving(desk.asgi_app()) as url:

        async def sweep() -> list[str]:
            swept: list[str] = await asyncio.to_thread(module.sweep, url, key)
            return swept

        assert await sweep() == []
        clock.forward(timedelta(hours=2))
        [request] = (await desk.requests(thread_id="decided")).items
        await desk.decide(request.id, "continue", by=OLGA, values={"verdict": "approve"})
        assert await sweep() == ["stale"]
        assert await sweep() == []

    values = (await desk.wait("stale", timeout=30)).values
    assert (values["forced"], values["reason"], values["status"]) == (True, "sla_timeout", "forced")
    [mail] = sent(tmp_path, "stale")
    assert mail.startswith("Thank you for your question.")
    assert (await desk.wait("decided", timeout=30)).values["status"] == "approved"
    assert (await desk.thread("fresh")).values["status"] == "paused"
    assert len(sent(tmp_path, "decided")) == 1
    assert sent(tmp_path, "fresh") == []
