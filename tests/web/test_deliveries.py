"""The page of messages, for operators."""

from __future__ import annotations

import pytest

from signoff.domain.user import User
from signoff.service.users import put_users
from signoff.worker.courier import Courier
from tests.api.test_deliveries import Refusing
from tests.helpers import all_told
from tests.web.conftest import Site


@pytest.fixture(autouse=True)
def nobody_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages go out only when a test says so."""
    monkeypatch.setattr(Courier, "start", lambda _self: None)


async def test_what_was_given_up_stands_there_and_is_sent_again(site: Site) -> None:
    people = [User(name=name, email=f"{name}@firm.com") for name in ("ann", "bob")]
    await put_users(site.desk.office, people)
    site.desk.office.channels["email"] = Refusing()
    request = await site.asked()
    jane = site.browser("jane")
    page = await jane.open("/inbox/deliveries")
    assert "Nothing was to be told yet" in page.text
    await all_told(site.desk)
    page = await jane.open("/inbox")
    assert page.links["Deliveries"].endswith("/inbox/deliveries")
    page = await jane.open("/inbox/deliveries", state="dead")
    assert page.text.count("no such mailbox") == 2
    assert "ann" in page.text
    assert any(request.id in link for link in page.links.values())
    one = next(form for form in page.forms if "Send again" in form.buttons)
    page = await jane.send(one)
    assert "Given up 1" in " ".join(page.text.split())
    every = next(form for form in page.forms if form.action.endswith("/deliveries/redelivery"))
    page = await jane.send(every)
    assert "Waiting 2" in " ".join(page.text.split())
    assert not any("Send again" in form.buttons for form in page.forms)


async def test_a_state_that_there_is_not_is_refused(site: Site) -> None:
    page = await site.browser("jane").open("/inbox/deliveries", state="lost")
    assert page.status == 422
