"""`signoff encrypt`: what is stored comes under the newest key, and nobody starts without it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Begin, Cli

KEY, NEWER = (base64.b64encode(bytes([n] * 32)).decode() for n in (3, 4))


def test_encryption_is_turned_on_and_keys_are_changed(
    signoff: Cli, begin: Begin, project: Path, monkeypatch: pytest.MonkeyPatch
):
    request = begin("t1")
    refused = signoff("encrypt")
    assert (refused.code, refused.out) == (1, "")
    assert "there is no key to encrypt with" in refused.err

    monkeypatch.setenv("SIGNOFF_ENCRYPTION_KEYS", KEY)
    said = signoff("encrypt")
    assert said.code == 0
    assert re.match(r"\d+ rows looked at, [1-9]\d* encrypted with the key [0-9a-f]{8}\n$", said.out)
    assert signoff("show", request, "--json").json["state"] == "open"

    (project / "keys").write_text(f"# the one of last year\n{KEY}\n")
    monkeypatch.setenv("SIGNOFF_ENCRYPTION_KEYS", NEWER)
    monkeypatch.setenv("SIGNOFF_ENCRYPTION_KEYS_FILE", "keys")
    done = signoff("encrypt", "--json").json
    assert len(done["forgotten"]) == 1
    assert done["in_use"] == []

    monkeypatch.setenv("SIGNOFF_ENCRYPTION_KEYS_FILE", "")
    monkeypatch.setenv("SIGNOFF_ENCRYPTION_STRICT", "true")
    assert signoff("decide", request, "approve", "--by", "jane").code == 0
    assert signoff("audit", "verify").code == 0

    for keys in ("", KEY):
        monkeypatch.setenv("SIGNOFF_ENCRYPTION_KEYS", keys)
        monkeypatch.setenv("SIGNOFF_ENCRYPTION_STRICT", "false")
        refused = signoff("show", request)
        assert (refused.code, refused.out) == (1, "")
        assert f"encrypted with the key {done['key']}, which this process has not" in refused.err
    monkeypatch.setenv("SIGNOFF_ENCRYPTION_KEYS", "")
    assert signoff("audit", "verify").code == 0  # which takes no key


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("secret", "key 1: it is no base64"),
        (f"{KEY} c2hvcnQ=", "key 2: it has 5 bytes, and a key has 32"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(
    keys: str, said: str, signoff: Cli, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SIGNOFF_ENCRYPTION_KEYS", keys)
    refused = signoff("inbox")
    assert refused.code == 1
    assert said in refused.err
    assert "secret" not in refused.err
    assert "c2hvcnQ=" not in refused.err
    assert KEY not in refused.err
