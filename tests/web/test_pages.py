"""Pages for a browser without JavaScript: lists, requests, forms, refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from signoff import Role
from signoff.domain.user import User
from signoff.own_machine import OwnMachine
from signoff.policies.book import PolicyBook
from signoff.service.users import remove_user
from signoff.web import lists, threads
from tests.conftest import Clock, OpenDesk
from tests.people import named
from tests.web import graphs
from tests.web.conftest import Browser, Page, Site
from tests.web.graphs import BATCH, CALL


async def test_a_list_says_what_is_asked_and_leads_to_it(site: Site, jane: Browser) -> None:
    request = await site.asked(client="Borealis")
    found = await jane.open("/inbox")
    assert found.status == 200
    assert "Contract v1 for Borealis" in found.text
    opened = await jane.open(found.links["Contract v1 for Borealis"])
    assert opened.response.url.path == f"/inbox/requests/{request.id}"
    assert "Monthly fee: EUR 12,000" in opened.text
    assert "<strong>Northlight Consulting Ltd</strong>" in opened.response.text


async def test_without_a_view_one_sees_ones_own_and_else_all(site: Site, jane: Browser) -> None:
    await site.asked(client="Anyone")
    assert "Contract v1 for Anyone" in (await jane.open("/inbox")).text
    await site.asked(client="Hers", policy={"to": ["jane"]})
    found = await jane.open("/inbox")
    assert "Contract v1 for Hers" in found.text
    assert "Contract v1 for Anyone" not in found.text


async def test_what_is_overdue_for_the_longest_comes_first_and_every_list_has_its_count(
    open_desk: OpenDesk, clock: Clock
) -> None:
    desk = await open_desk(graphs.everything(), now=clock)
    site = Site(desk, desk.asgi_app(authenticate=named))
    jane = site.browser("jane")
    for client, policy in (("B", {"within": "2h", "to": ["jane"]}), ("A", {"within": "1h"})):
        await site.asked(client=client, policy=policy)
    await site.asked(client="C", policy={"within": "9h"})
    clock.forward(timedelta(hours=3))
    page = await jane.open("/inbox", view="overdue")
    assert [text[-1] for text in page.links if text.startswith("Contract v1")] == ["A", "B"]
    counts = ["Mine1", "My groups0", "All open3", "Overdue2", "Decided"]
    assert [text for text in page.links if text in counts] == counts
    page = await jane.open("/inbox", view="overdue", q="for B")
    assert [text[-1] for text in page.links if text.startswith("Contract v1")] == ["B"]
    assert [text for text in page.links if text in counts] == counts


async def test_a_decision_closes_the_request_and_the_page_says_what_comes_next(
    site: Site, jane: Browser
) -> None:
    request = await site.asked(client="Acme")
    page = await jane.open(f"/inbox/requests/{request.id}")
    done = await jane.send(page.form("/decisions/"), "Approve", **{"/note": "Fine."})
    assert done.status == 200
    assert "Done. Your decision is on its way" in done.text
    await site.desk.wait(request.thread_id, timeout=30)
    after = await jane.open(f"/inbox/requests/{request.id}")
    assert "The graph has the answer." in after.text
    assert "The graph is done." in after.text
    decided = await site.desk.request(request.id)
    assert decided.outcome is not None
    assert (decided.outcome.action, decided.outcome.note, decided.outcome.by) == (
        "approve",
        "Fine.",
        "jane",
    )


async def test_a_missing_note_is_asked_for_at_its_field_and_nothing_typed_is_lost(
    site: Site, jane: Browser
) -> None:
    request = await site.asked()
    page = await jane.open(f"/inbox/requests/{request.id}")
    again = await jane.send(page.form("/decisions/"), "Request changes", **{"/note": "  "})
    assert again.status == 422
    assert "the note is required" in again.text
    assert (await site.desk.request(request.id)).votes == ()


async def test_a_second_version_shows_what_changed_since_the_first(
    site: Site, jane: Browser
) -> None:
    first = await site.asked()
    page = await jane.open(f"/inbox/requests/{first.id}")
    await jane.send(page.form("/decisions/"), "Request changes", **{"/note": "45 days, please."})
    await site.desk.wait(first.thread_id, timeout=30)
    [second] = await site.waiting(first.thread_id)
    page = await jane.open(f"/inbox/requests/{second.id}")
    assert "Changes since the last time" in page.text
    assert "45 days, please." in page.text
    assert "<del>30</del>" in page.response.text
    assert "<ins>45</ins>" in page.response.text
    assert "Contract v2 for Acme" in (await jane.open(f"/inbox/requests/{first.id}")).text


async def test_a_form_is_made_from_the_schema_and_its_values_keep_their_types(
    site: Site, jane: Browser
) -> None:
    request = await site.asked("orders")
    form = (await jane.open(f"/inbox/requests/{request.id}")).form("/decisions/order")
    assert {"/values/supplier", "/values/amount", "/values/tags"} <= set(form.names)
    typed = {"/values/supplier": "Acme", "/values/amount": "7", "/values/tags": "one\ntwo"}
    await jane.send(form, "Order", **typed, **{"/values/express": "y"})
    outcome = (await site.desk.request(request.id)).outcome
    assert outcome is not None
    assert outcome.values == {
        "supplier": "Acme",
        "amount": 7,
        "express": True,
        "grade": "b",
        "tags": ["one", "two"],
    }


async def test_what_is_wrong_is_said_at_its_field(site: Site, jane: Browser) -> None:
    request = await site.asked("orders")
    form = (await jane.open(f"/inbox/requests/{request.id}")).form("/decisions/order")
    again = await jane.send(form, **{"/values/supplier": "x", "/values/amount": "many"})
    assert again.status == 422
    wrong = {
        given["name"]: given["aria-describedby"]
        for tag, given in again.elements
        if tag == "input" and given.get("aria-invalid")
    }
    assert set(wrong) == {"/values/supplier", "/values/amount"}
    assert "must have 2 characters or more" in again.text
    assert "must be an integer" in again.text
    kept = again.form("/decisions/order")
    assert (kept.value("/values/supplier"), kept.value("/values/amount")) == ("x", "many")


async def test_a_form_can_be_typed_as_json(site: Site, jane: Browser) -> None:
    request = await site.asked("orders")
    page = await jane.open(f"/inbox/requests/{request.id}")
    form = (await jane.open(page.links["As JSON"])).form("/decisions/order")
    again = await jane.send(form, **{"/values": "{no"})
    assert "is no JSON" in again.text
    await jane.send(again.form("/decisions/order"), **{"/values": '{"supplier":"Bo","amount":2}'})
    outcome = (await site.desk.request(request.id)).outcome
    assert outcome is not None
    assert outcome.values == {"supplier": "Bo", "amount": 2}


async def test_arguments_of_a_call_are_edited_field_by_field_and_the_change_is_shown(
    site: Site, jane: Browser
) -> None:
    request = await site.asked("questions", payload=CALL)
    page = await jane.open(f"/inbox/requests/{request.id}")
    form = page.form("/decisions/edit")
    assert form.value("/values/args/to") == "mark@borealis.no"
    preview = await jane.send(form, "Show my changes", **{"/values/args/to": "eva@borealis.no"})
    assert "<del>mark</del>" in preview.response.text
    assert "<ins>eva</ins>" in preview.response.text
    assert (await site.desk.request(request.id)).outcome is None
    await jane.send(preview.form("/decisions/edit"), "Edit")
    outcome = (await site.desk.request(request.id)).outcome
    assert outcome is not None
    asked: dict[str, Any] = CALL["action_request"]["args"]  # type: ignore[index,assignment]
    assert outcome.values == {"args": {**asked, "to": "eva@borealis.no"}}


async def test_a_batch_is_decided_call_by_call(site: Site, jane: Browser) -> None:
    request = await site.asked("questions", payload=BATCH)
    form = (await jane.open(f"/inbox/requests/{request.id}")).form("/decisions/submit")
    chosen = {
        "/values/decisions/0": "1",
        "/values/decisions/0#1/edited_action/args/amount": "35",
        "/values/decisions/1": "1",
        "/values/decisions/1#1/message": "Not yet",
    }
    done = await jane.send(form, **chosen)
    assert done.status == 200, done.text
    outcome = (await site.desk.request(request.id)).outcome
    assert outcome is not None
    assert outcome.values == {
        "decisions": [
            {
                "type": "edit",
                "edited_action": {"name": "pay", "args": {"to": "Acme", "amount": 35}},
            },
            {"type": "reject", "message": "Not yet"},
        ]
    }


@pytest.mark.parametrize(("typed", "answer"), [({}, "42"), ({"/values/value#json": "y"}, 42)])
async def test_a_bare_question_takes_a_text_or_json(
    site: Site, jane: Browser, typed: dict[str, str], answer: Any
) -> None:
    request = await site.asked("questions", payload="How much?")
    form = (await jane.open(f"/inbox/requests/{request.id}")).form("/decisions/respond")
    await jane.send(form, **{"/values/value": "42"}, **typed)
    outcome = (await site.desk.request(request.id)).outcome
    assert outcome is not None
    assert outcome.values == {"value": answer}


async def test_a_breakpoint_shows_the_state_and_takes_values_for_it(
    site: Site, jane: Browser
) -> None:
    request = await site.asked("stopping", client="Cy", status="drafted")
    assert request.kind == "breakpoint"
    page = await jane.open(f"/inbox/requests/{request.id}")
    assert "Monthly fee: EUR 12,000" in page.text
    form = page.form("/decisions/continue")
    assert "/values/status" in form.names, form.names
    done = await jane.send(form, **{"/values/status": "checked"})
    assert done.status == 200, done.text
    thread = await site.desk.wait(request.thread_id, timeout=30)
    assert thread.values is not None
    assert thread.values["status"] == "checked, filed"


async def test_an_open_page_is_told_what_has_changed_meanwhile(site: Site, jane: Browser) -> None:
    request = await site.asked()
    path = f"/inbox/requests/{request.id}"

    async def told(**seen: str) -> str:
        return (await jane.open(path, part="live", **seen)).text.strip()

    same = {"digest": request.digest, "version": str(request.version)}
    assert await told(**same) == ""
    assert "What is asked has changed." in await told(digest="0" * 64)
    await site.desk.claim(request.id, by="bob")
    assert "bob works on this request." in await told(**same)
    await site.desk.decide(request.id, "reject", by="bob")
    assert "bob rejected this request already." in await told(**same)


async def test_who_comes_second_is_told_in_words_and_changes_nothing(
    site: Site, jane: Browser
) -> None:
    request = await site.asked()
    bob = site.browser("bob")
    form = (await bob.open(f"/inbox/requests/{request.id}")).form("/decisions/")
    page = await jane.open(f"/inbox/requests/{request.id}")
    await jane.send(page.form("/decisions/"), "Approve")
    late = await bob.send(form, "Reject", **{"/note": "No."})
    assert late.status == 409
    assert "jane approved this request already. Your answer was not sent" in late.text
    outcome = (await site.desk.request(request.id)).outcome
    assert outcome is not None
    assert (outcome.action, outcome.by) == ("approve", "jane")


async def test_a_decision_about_something_else_is_refused_in_words(
    site: Site, jane: Browser
) -> None:
    request = await site.asked()
    form = (await jane.open(f"/inbox/requests/{request.id}")).form("/decisions/")
    stale = await jane.send(form, "Approve", digest="0" * 64)
    assert stale.status == 409
    assert "What is asked has changed" in stale.text
    assert (await site.desk.request(request.id)).votes == ()


async def test_whom_the_policy_does_not_admit_is_told_and_has_no_form(site: Site) -> None:
    request = await site.asked(policy={"to": ["jane"]})
    page = await site.browser("mallory").open(f"/inbox/requests/{request.id}")
    assert "mallory is none of them" in page.text
    assert not [form for form in page.forms if "/decisions/" in form.action]


async def test_handling_claim_comment_hand_on_withdraw(site: Site, jane: Browser) -> None:
    request = await site.asked()
    url = f"/inbox/requests/{request.id}"

    async def press(button: str, **typed: str) -> Page:
        page = await jane.open(url)
        [form] = [f for f in page.forms if any(b.startswith(button) for b in f.buttons)]
        return await jane.send(form, button, **typed)

    assert "claimed by you" in (await press("Claim")).text
    assert "You have released" in (await press("Release")).text
    commented = await press("Comment", text="Who knows <b>Acme</b>?")
    assert "Who knows <b>Acme</b>?" in commented.text
    assert "handed it on to bob" in (await press("Hand on", to="bob")).text
    withdrawn = await press("Withdraw", note="A mistake")
    assert "You have withdrawn this request" in withdrawn.text
    assert (await site.desk.request(request.id)).state == "withdrawn"


async def test_votes_and_what_is_missing(site: Site, jane: Browser) -> None:
    request = await site.asked(policy={"quorum": 2})
    page = await jane.open(f"/inbox/requests/{request.id}")
    assert "2 equal votes are needed" in page.text
    voted = await jane.send(page.form("/decisions/"), "Approve")
    assert "Your vote is counted." in voted.text
    assert "1 more vote for Approve would close it" in voted.text
    [back] = [f for f in voted.forms if "/take-back" in f.action]
    assert "Your vote is taken back." in (await jane.send(back)).text


async def test_a_failed_delivery_shows_its_error_and_can_be_asked_again(
    site: Site, jane: Browser
) -> None:
    request = await site.asked("questions", payload="Boom?")
    form = (await jane.open(f"/inbox/requests/{request.id}")).form("/decisions/respond")
    await jane.send(form, **{"/values/value": "boom"})
    await site.desk.wait(request.thread_id, timeout=30)
    failed = await jane.open(f"/inbox/requests/{request.id}")
    assert "the answer is boom" in failed.text
    assert "failed" in failed.text


async def test_several_are_decided_with_one_confirmation(site: Site, jane: Browser) -> None:
    requests = [await site.asked(client=name) for name in ("Acme", "Bo", "Cy")]
    listed = await jane.open("/inbox")
    chosen = [each.id for each in requests[:2]]
    sure = await jane.send(listed.form("/together"), id=chosen)
    assert "Decide 2 requests together" in sure.text
    assert "Contract v1 for Cy" not in sure.text
    form = sure.form("/together/decisions")
    assert "A note is required" in (await jane.send(form, "Request changes")).text
    done = await jane.send(form, "Approve", **{"/note": "All fine."})
    assert "2 of 2 done" in done.text
    states = [(await site.desk.request(each.id)).state for each in requests]
    assert states == ["decided", "decided", "open"]


async def test_of_several_one_refusal_touches_no_other(site: Site, jane: Browser) -> None:
    requests = [await site.asked(client=name) for name in ("Acme", "Bo")]
    sure = await jane.send(
        (await jane.open("/inbox")).form("/together"), id=[r.id for r in requests]
    )
    await site.desk.decide(requests[0].id, "reject", by="bob")
    done = await jane.send(sure.form("/together/decisions"), "Approve")
    assert (done.status, "1 of 2 done" in done.text) == (409, True)
    assert "is decided" in done.text
    outcomes = [(await site.desk.request(each.id)).outcome for each in requests]
    assert [(o.action, o.by) for o in outcomes if o] == [("reject", "bob"), ("approve", "jane")]


async def test_filters_stand_in_the_address(site: Site, jane: Browser) -> None:
    await site.asked(client="Acme")
    await site.asked(client="Bo", policy={"priority": "urgent"})
    await site.asked("orders")
    assert "Contract v1 for Bo" in (await jane.open("/inbox", view="open", q="for bo")).text
    for narrowed in ({"graph": "contracts", "priority": "urgent"}, {"q": "v1 for Bo"}):
        found = await jane.open("/inbox", view="open", **narrowed)
        assert "Contract v1 for Bo" in found.text
        assert "Contract v1 for Acme" not in found.text
        assert "What are we to order?" not in found.text
        [link] = [href for text, href in found.links.items() if "for Bo" in text]
        assert all(name in link for name in narrowed)
    assert "Nothing matches" in (await jane.open("/inbox", view="open", topic="none")).text


async def test_pages_go_on_where_the_one_before_ended(
    site: Site, jane: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "PAGE_SIZE", 3)
    names = [f"c{n}" for n in range(5)]
    for name in names:
        await site.asked("questions", payload=f"Is {name} fine?")
    first = await jane.open("/inbox", view="open")
    second = await jane.open(first.links["Show more"])
    shown = [text for page in (first, second) for text in page.links if text.startswith("Is c")]
    assert shown == [f"Is {name} fine?" for name in reversed(names)]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/inbox/requests/none", 404),
        ("/inbox/nothing", 404),
        ("/inbox?view=wrong", 422),
        ("/inbox?sort=wrong&view=open", 422),
        ("/inbox?cursor=wrong&view=open", 422),
        ("/inbox/new?since=now", 422),
    ],
)
async def test_errors_are_pages_that_say_something(jane: Browser, path: str, status: int) -> None:
    page = await jane.open(path)
    assert page.status == status
    assert "<h1>" in page.response.text
    assert page.links["To the inbox"] == "/inbox"


async def test_no_page_without_a_principal(site: Site) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=site.app), base_url="http://127.0.0.1"
    ) as nobody:
        for path in ("/inbox", "/inbox/requests/x", "/inbox/nothing"):
            answer = await nobody.get(path)
            assert answer.status_code == 401
            assert "Nobody is signed in" in answer.text
            assert "Sign in to go on." in answer.text
        assert (await nobody.post("/inbox/together")).status_code == 401


async def test_a_form_from_elsewhere_changes_nothing(site: Site, jane: Browser) -> None:
    request = await site.asked()
    form = (await jane.open(f"/inbox/requests/{request.id}")).form("/decisions/")
    fresh = site.browser("jane")  # without the cookie
    for browser, typed in ((jane, {"csrf": "x" * 80}), (jane, {"csrf": None}), (fresh, {})):
        refused = await browser.send(form, "Approve", **typed)
        assert refused.status == 403
        assert "did not come from a page" in refused.text
    jane.http.headers["sec-fetch-site"] = "cross-site"
    assert (await jane.send(form, "Approve")).status == 403
    assert (await site.desk.request(request.id)).votes == ()


async def test_every_answer_is_sealed_off(site: Site, jane: Browser) -> None:
    request = await site.asked()
    page = await jane.open(f"/inbox/requests/{request.id}")
    assets = [
        given.get("href") or given.get("src")
        for tag, given in page.elements
        if tag in ("link", "script")
    ]
    assert len(assets) == 4
    for path in (*assets, f"/inbox/requests/{request.id}/payload", "/inbox", "/inbox/none"):
        headers = (await jane.http.get(str(path))).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    for path in assets:
        assert "immutable" in (await jane.http.get(str(path))).headers["cache-control"]
    cookie = next(
        iter((await site.browser().open("/inbox")).response.headers.get_list("set-cookie"))
    )
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    for tag, given in page.elements:
        assert "style" not in given, tag
        assert not [name for name in given if name.startswith("on")]
        assert tag != "style"


ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[click](javascript:alert(1)) **bold** ![x](http://evil.example/x.png)",
    "[click](JaVaScRiPt:alert(1)) `x` [data](data:text/html;base64,PHNjcmlwdD4=)",
    "<a href='javascript:alert(1)'>x</a> **b**",
    "abc\u202ecba\u2066 \x07",
    "{{ 7*7 }} {% raw %}",
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_attacks_is_shown_as_text(site: Site, jane: Browser, attack: str) -> None:
    payload = {"question": f"Is {attack} fine?", "text": attack, attack: [attack, {"a": attack}]}
    request = await site.asked("questions", payload=payload)
    for path in ("/inbox", f"/inbox/requests/{request.id}", f"/inbox/threads/{request.thread_id}"):
        page = await jane.open(path)
        for tag, given in page.elements:
            assert tag not in ("img", "iframe", "object", "embed", "base")
            assert not [name for name in given if name.startswith("on")]
            for name in ("href", "src", "action", "formaction"):
                scheme, colon, _ = (given.get(name) or "").split("?")[0].partition(":")
                assert not colon or (scheme == "http" and "noopener" in (given["rel"] or "")), given
        assert len([tag for tag, _ in page.elements if tag == "script"]) == 2
        assert not set(page.response.text) & set("\u202e\u2066\x07")
        assert "49" not in page.text.partition("fine?")[0].partition("Is")[2]


async def test_large_payloads_leave_the_page_usable(site: Site, jane: Browser) -> None:
    payload = {"text": "x" * 850_000, "map": {f"key{n}": n for n in range(10_000)}}
    request = await site.asked("questions", payload=payload)
    page = await jane.open(f"/inbox/requests/{request.id}")
    assert len(page.response.content) < 500_000
    assert "750,000 more characters" in page.text
    assert "more fields" in page.text
    whole = await jane.http.get(page.links["All of it, as JSON"])
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.json() == payload


async def test_mounted_in_another_application_all_addresses_are_below_it(site: Site) -> None:
    from fastapi import FastAPI

    await site.asked(client="Acme")
    outer = FastAPI()
    outer.mount("/desk", site.app)
    browser = Site(site.desk, outer).browser("jane")
    page = await browser.open("/desk/inbox")
    request = await browser.open(page.links["Contract v1 for Acme"])
    for found in (page, request):
        for tag, given in found.elements:
            for name in ("href", "src", "action", "formaction"):
                if (given.get(name) or "/desk/").startswith("#"):
                    continue
                assert (given.get(name) or "/desk/").startswith("/desk/"), (tag, given)
    done = await browser.send(request.form("/decisions/"), "Approve")
    assert "Done." in done.text


async def test_a_thread_shows_where_it_stands_how_it_came_there_and_what_it_asked(
    site: Site, jane: Browser
) -> None:
    request = await site.asked()
    page = await jane.open(f"/inbox/threads/{request.thread_id}")
    assert "Contract v1 for Acme" in page.text
    assert "It stands at review" in page.response.text
    assert "then review" in page.text
    earlier = await jane.open(page.links["0"])
    assert "State at an earlier step" in earlier.text
    assert "Monthly fee" not in earlier.text
    listed = await jane.open("/inbox/threads", status="interrupted")
    assert listed.links[request.thread_id] == f"/inbox/threads/{request.thread_id}"
    assert "No threads of this kind" in (await jane.open("/inbox/threads", status="error")).text


async def test_a_run_is_started_from_a_form_and_cancelled(site: Site, jane: Browser) -> None:
    form = (await jane.open("/inbox/start/contracts")).form("/start/contracts")
    assert "/values/client" in form.names
    wrong = await jane.send(form, thread="not a thread id", **{"/values/client": "Cy"})
    assert (wrong.status, "a thread id has 1 to 255" in wrong.text) == (422, True)
    kept = wrong.form("/start/contracts")
    assert kept.value("/values/client") == "Cy"
    started = await jane.send(kept, thread="by-hand")
    assert started.response.url.path == "/inbox/threads/by-hand"
    await site.desk.wait("by-hand", timeout=30)
    [request] = await site.waiting("by-hand")
    assert (request.title, request.involved) == ("Contract v1 for Cy", ("jane",))
    page = await jane.open("/inbox/threads/by-hand")
    await jane.send(page.form("/cancel"))
    assert (await site.desk.request(request.id)).state == "withdrawn"


async def test_a_failed_thread_shows_its_error_and_asks_again(site: Site, jane: Browser) -> None:
    request = await site.asked("questions", payload="Boom?")
    await site.desk.decide(request.id, "respond", values={"value": "boom"}, by="jane")
    await site.desk.wait(request.thread_id, timeout=30)
    page = await jane.open(f"/inbox/threads/{request.thread_id}")
    assert "ValueError: the answer is boom" in page.text
    [form] = [form for form in page.forms if "Ask again" in form.buttons]
    await jane.send(form, "Ask again")
    await site.desk.wait(request.thread_id, timeout=30)
    [again] = await site.waiting(request.thread_id)
    assert (again.title, again.id != request.id) == ("Boom?", True)


async def test_the_overview_has_figures_charts_and_the_same_as_tables(
    site: Site, jane: Browser
) -> None:
    request = await site.asked(policy={"within": "1h"})
    await site.asked()
    await site.desk.decide(request.id, "approve", by="bob")
    page = await jane.open("/inbox/overview")
    for said in ("Open 1", "Decided today 1", "In time 100%", "By graph", "bob"):
        assert said in page.text
    assert page.response.text.count('class="chart"') == 3
    assert (await jane.open("/inbox/overview", days=400)).status == 422


async def test_threads_are_paged_from_the_newest_to_the_oldest(
    site: Site, jane: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "PAGE_SIZE", 2)
    begun = [
        (await site.asked("questions", payload=f"{n}?", policy={})).thread_id for n in range(5)
    ]
    await site.asked("orders")
    page = await jane.open("/inbox/threads", graph="questions", status="interrupted")
    assert "Newest" not in page.links
    seen = [text for text in page.links if text in begun]
    while "Older" in page.links:
        page = await jane.open(page.links["Older"])
        assert "Newest" in page.links
        seen += [text for text in page.links if text in begun]
    assert seen == begun[::-1]
    for wrong in ("before=soon", "before=2026-03-02T09:00:00", "status=asleep"):
        assert (await jane.open(f"/inbox/threads?{wrong}&after=t")).status == 422


async def test_on_ones_own_machine_one_acts_as_the_users_of_the_file_and_as_nobody_else(
    open_desk: OpenDesk,
) -> None:
    users = (User(name="ann", role=Role.VIEWER), User(name="ben"))
    desk = await open_desk(graphs.everything(), policies=lambda: PolicyBook(users=users))
    me = Site(desk, desk.asgi_app(authenticate=OwnMachine())).browser()
    page = await me.open("/inbox")
    offered = [given.get("value") for tag, given in page.elements if tag == "option"]
    assert offered[:3] == ["dev", "ann", "ben"]
    assert "You act as dev ." in page.text
    page = await me.send(page.form("/act-as"), **{"as": "ann"})
    assert (page.status, "You act as ann ." in page.text) == (200, True)
    assert page.form("/act-as").value("as") == "ann"
    assert (await me.post("/inbox/start/contracts", [])).status == 403  # a viewer

    refused = await me.send(page.form("/act-as"), **{"as": "nobody"})
    assert (refused.status, "no user 'nobody'" in refused.text) == (403, True)
    page = await me.open("/inbox")
    assert "You act as ann ." in page.text
    page = await me.send(page.form("/act-as"), **{"as": "dev"})
    assert "You act as dev ." in page.text

    await remove_user(desk.office, "ben")
    await me.send(page.form("/act-as"), **{"as": "ann"})
    await remove_user(desk.office, "ann")
    assert (await me.open("/inbox")).status == 403
    assert "You act as dev ." in (await me.open("/inbox")).text
