"""`signoff policy`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.conftest import Begin, Cli

FILE = """\
[policy]
within = "3d"
otherwise = "reject"

[[policy]]
name = "payments"
graph = "payment"
to = "group:cash"
remind = "1d"

[[user]]
name = "jane"
groups = ["cash"]
"""


def fields(shown: Any) -> dict[str, tuple[Any, str]]:
    return {each["field"]: (each["value"], each["source"]) for each in shown["fields"]}


@pytest.fixture
def policies(project: Path) -> Path:
    """The file with the policies of the project."""
    file = project / "signoff.toml"
    file.write_text(FILE)
    return file


def test_a_policy_for_a_graph_that_there_is_not_is_a_doubt(signoff: Cli, policies: Path):
    assert signoff("policy", "check", "--json").json["doubts"] == []
    policies.write_text(FILE.replace('"payment"', '"paymnet"'))
    checked = signoff("policy", "check")
    assert "signoff.toml:7: graph names 'paymnet'" in checked.out
    assert "(did you mean payment?)" in checked.out


def test_a_policy_is_tried_before_anything_asks(signoff: Cli, policies: Path):
    tried = signoff("policy", "test", "--graph", "payment", "--node", "review", "--json").json
    found = fields(tried)
    assert found["to"] == (["group:cash"], "signoff.toml:8 [[policy]] payments")
    assert found["within"] == ("PT72H", "signoff.toml:2 [policy]")
    assert found["quorum"] == (1, "default")
    assert [each["kind"] for each in tried["timetable"]] == ["remind", "expire"]
    printed = signoff("policy", "test", "--graph", "payment", "--node", "review").out
    assert "signoff.toml:8 [[policy]] payments" in printed
    assert "people are reminded" in printed
    kind = ("--kind", "tool_batch", "--topic", "x")
    other = signoff("policy", "test", "--graph", "o", "--node", "n", *kind, "--json").json
    assert fields(other)["to"] == ([], "default")
    assert signoff("policy", "test", "--graph", "o", "--node", "n", "--kind", "x").code == 2
    assert signoff("policy", "test", "--graph", "payment").code == 2


def test_the_file_is_checked_with_its_lines_and_the_users_of_the_database(
    signoff: Cli, policies: Path, tmp_path: Path
):
    assert signoff("policy", "check").out == (
        "signoff.toml is in order. policies: 2, calendars: 0, users: 1.\n"
    )
    other = tmp_path / "other.toml"
    other.write_text('[policy]\nto = "group:board"\nremind = "2d"\nwithin = "1d"\n')
    refused = signoff("policy", "check", str(other))
    assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert "other.toml:2: to names 'board', and there is no such group" in refused.err
    assert "other.toml:3: remind.0 comes after the deadline" in refused.err
    other.write_text('[breakpoints."payments:review"]')
    refused = signoff("policy", "check", str(other))
    assert "other.toml:1: breakpoints names 'payments', and there is no such graph" in refused.err
    assert "did you mean payment?" in refused.err
    other.write_text('[policy]\nto = "group:board"\n')
    signoff("users", "add", "ann", "--group", "board")
    assert signoff("policy", "check", str(other), "--json").json["policies"] == 1
    missing = signoff("policy", "check", str(tmp_path / "none.toml"), "--json")
    assert (missing.code, '"code": "config_error"' in missing.err) == (1, True)


def test_a_project_without_a_database_is_checked_by_its_own_users(
    anywhere: Cli, project: Path, policies: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(project)
    assert anywhere("policy", "check").code == 0
    policies.write_text(FILE.replace("group:cash", "group:crash"))
    refused = anywhere("policy", "check")
    assert "signoff.toml:8: to names 'crash'" in refused.err
    assert "did you mean cash?" in refused.err
    monkeypatch.setenv("SIGNOFF_OIDC_ISSUER", "https://login.firm.com")
    monkeypatch.setenv("SIGNOFF_OIDC_CLIENT_ID", "signoff")
    assert "names 'crash'" in anywhere("policy", "check").err
    monkeypatch.setenv("SIGNOFF_OIDC_GROUPS_CLAIM", "groups")
    assert anywhere("policy", "check").code == 0, "whoever signs in may bring it along"
    assert not (project / ".signoff").exists()


def test_a_changed_file_is_applied_to_open_requests_when_asked_to(
    signoff: Cli, begin: Begin, policies: Path
):
    first, second = begin("t1"), begin("t2")
    explained = signoff("policy", "explain", first, "--json").json
    assert fields(explained)["to"] == ([], "default")
    assert explained["timetable"] == []
    done = signoff("policy", "reapply", first, "--by", "boss", "--json").json["items"]
    assert [(each["request_id"], each["changed"]) for each in done] == [(first, True)]
    explained = signoff("policy", "explain", first, "--json").json
    assert fields(explained)["to"] == (["group:cash"], "signoff.toml:8 [[policy]] payments")
    opened = datetime.fromisoformat(signoff("show", first, "--json").json["opened_at"])
    deadline = datetime.fromisoformat(signoff("show", first, "--json").json["deadline"])
    assert deadline - opened == timedelta(days=3)
    assert "the deadline" in signoff("policy", "explain", first).out
    done = signoff("policy", "reapply", "--all", "--json").json["items"]
    assert {each["request_id"]: each["changed"] for each in done} == {first: False, second: True}
    assert signoff("policy", "reapply", "--all", "--graph", "other", "--json").json["items"] == []
    assert "0 of 2" in signoff("policy", "reapply", "--all").out
    refused = signoff("decide", first, "approve", "--by", "tom")
    assert (refused.code, "group:cash" in refused.err) == (1, True)


def test_votes_that_suffice_under_the_policy_of_now_close_a_request(
    signoff: Cli, begin: Begin, work: Callable[[], None], policies: Path, database_url: str
):
    policies.write_text("[policy]\nquorum = 2\n")
    request_id = begin()
    signoff("policy", "reapply", request_id)
    signoff("decide", request_id, "approve", "--by", "ann")
    assert signoff("show", request_id, "--json").json["state"] == "open"
    policies.write_text("[policy]\nquorum = 1\n")
    [done] = signoff("policy", "reapply", request_id, "--by", "boss", "--json").json["items"]
    assert (done["changed"], done["state"]) == (True, "decided")
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            "SELECT body::jsonb ->> 'by', body::jsonb #>> '{data,outcome,by}' FROM signoff.audit"
            " WHERE event = 'request.policy_reapplied' ORDER BY seq"
        ).fetchall()
    work()
    assert signoff("threads", "t1", "--json").json["values"]["paid"] == 300
    assert rows == [(rows[0][0], None), ("boss", "ann")]
    closed = signoff("policy", "reapply", request_id)
    assert (closed.code, "is decided" in closed.err) == (1, True)
    assert signoff("policy", "reapply").code == 2
    assert signoff("policy", "reapply", request_id, "--all").code == 2
    assert signoff("policy", "reapply", "no-such-request").code == 1


def test_other_policies_are_tried_on_what_has_been(
    signoff: Cli, begin: Begin, policies: Path, tmp_path: Path
):
    policies.unlink()
    first, second = begin("t1"), begin("t2", title="Pay the plumber?")
    signoff("decide", first, "approve", "--by", "jane")
    before = signoff("inbox", "--all", "--json").json
    new = tmp_path / "new.toml"
    new.write_text('[policy]\nto = "jane"\n[[user]]\nname = "jane"\n')
    tried = signoff("policy", "replay", str(new), "--json").json
    assert tried["summary"] == {
        "requests": 2,
        "differing": 2,
        "asked": 2,
        "outcome": 0,
        "timed_out_before": 0,
        "timed_out_after": 0,
        "refused": 0,
    }
    assert [each["request_id"] for each in tried["items"]] == [first, second]
    new.write_text('[policy]\nquorum = 2\n[[policy]]\ngraph = "payment"\nto = "group:cash"\n')
    signoff("users", "add", "ann", "--group", "cash")
    [refused, _] = signoff("policy", "replay", "--since", "1d", str(new), "--json").json["items"]
    assert (refused["refused"], refused["after"]["state"]) == (["jane"], "open")
    assert refused["before"]["outcome"]["action"] == "approve"
    printed = signoff("policy", "replay", str(new)).out
    assert "asked group:cash instead of anybody; refused the votes of jane; open instead of" in (
        printed
    )
    assert "2 requests, 2 would have differed" in printed
    new.write_text('[policy]\nwithin = "30d"\notherwise = "nonsense"\n')
    assert signoff("policy", "replay", str(new), "--json").json["summary"]["differing"] == 0
    assert signoff("inbox", "--all", "--json").json == before
    assert signoff("policy", "replay", str(tmp_path / "none.toml")).code == 1
    assert signoff("policy", "replay", "--since", "soon", str(new)).code == 2
