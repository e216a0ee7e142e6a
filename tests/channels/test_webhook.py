"""What calls are signed with, and how the documentation has them verified."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from signoff.channels.webhook import secrets_of, signed
from signoff.domain.errors import ChannelError
from signoff.domain.webhook import Webhook

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "webhooks.md"
SECRETS = [
    "whsec_" + "b2xkLXNlY3JldC1vZi0yNC1ieXRlcyEh",
    "whsec_" + "bmV3LXNlY3JldC1vZi0yNC1ieXRlcyEh",
]


def test_the_example_of_the_documentation_verifies_with_each_secret_and_nothing_else() -> None:
    example: dict[str, Any] = {}
    [code] = re.findall(r"## Verifying\n+```python\n(.*?)```", DOCUMENT.read_text(), re.S)
    exec(code, example)
    body = b'{"type": "request.opened"}'
    headers = signed("message-1", datetime.now(UTC), body, SECRETS)
    for secret in SECRETS:
        assert example["receive"](body, headers, secret) == {"type": "request.opened"}
    other = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtMjQtYnl0"
    for changed in ((body + b" ", headers, SECRETS[0]), (body, headers, other)):
        with pytest.raises(WebhookVerificationError):
            example["receive"](*changed)


def test_a_secret_of_the_environment_that_is_not_there_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    webhook = Webhook(name="crm", url="https://crm.firm.com", secrets=("env:CRM_SECRET",))
    monkeypatch.delenv("CRM_SECRET", raising=False)
    with pytest.raises(ChannelError, match="CRM_SECRET") as caught:
        secrets_of(webhook)
    assert not caught.value.permanent
    monkeypatch.setenv("CRM_SECRET", SECRETS[0])
    assert secrets_of(webhook) == SECRETS[:1]
