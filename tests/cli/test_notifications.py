"""`signoff notifications`."""

from __future__ import annotations

import email
import json
from email.policy import default
from pathlib import Path

from tests.cli.conftest import Cli


def test_a_test_message_goes_out_by_each_channel(signoff: Cli, project: Path):
    assert signoff("notifications", "test", "jane").code == 1
    signoff("users", "add", "jane", "--email", "jane@firm.com")
    toml = project / "signoff.toml"
    before = toml.read_text() if toml.exists() else ""
    toml.write_text('[notifications]\nmail_dir = "outbox"\n' + before)
    sent = signoff("notifications", "test", "jane")
    assert (sent.code, "handed over" in sent.out) == (0, True)
    [file] = (project / "outbox").glob("*.eml")
    mail = email.message_from_bytes(file.read_bytes(), policy=default)
    assert mail["To"] == "jane@firm.com"

    signoff("users", "add", "jane", "--apprise", "ntfy://127.0.0.1:1/secret-topic")
    tried = signoff("notifications", "test", "jane", "--json")
    assert tried.code == 1
    [mailed, chatted] = json.loads(tried.out)["items"]
    assert (mailed["channel"], mailed["error"]) == ("email", None)
    assert chatted["channel"] == "ntfy"
    assert "not outside of this network" in chatted["error"]
    assert "secret-topic" not in tried.out


def test_a_mail_server_that_is_no_server_is_said(signoff: Cli, project: Path):
    signoff("users", "add", "jane", "--email", "jane@firm.com")
    smtp = '[smtp]\nhost = "127.0.0.1"\nport = 1\nfrom = "Signoff <s@firm.com>"\n'
    toml = project / "signoff.toml"
    toml.write_text(smtp + (toml.read_text() if toml.exists() else ""))
    tried = signoff("notifications", "test", "jane", "--json")
    assert "127.0.0.1:1" in json.loads(tried.out)["items"][0]["error"]
    toml.write_text(smtp.replace("s@firm.com", "nobody"))
    refused = signoff("notifications", "test", "jane")
    assert (refused.code, "signoff.toml:4: smtp.from" in refused.err) == (1, True)
