"""The commands that read and change what a desk has."""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from signoff.cli import logs
from signoff.cli.output import lines_of
from tests.cli.conftest import Begin, Cli


def test_the_inbox_lists_what_is_open_with_the_shape_of_the_api(signoff: Cli, begin: Begin):
    assert signoff("inbox").out == "Nothing here.\n"
    request_id = begin(title="Pay the plumber?")
    listed = signoff("inbox")
    assert request_id in listed.out
    assert "Pay the plumber?" in listed.out
    page = signoff("inbox", "--json").json
    assert (page["total"], page["next_cursor"]) == (1, None)
    [item] = page["items"]
    assert item["id"] == request_id
    assert item == signoff("show", request_id, "--json").json
    assert [action["name"] for action in item["actions"]] == ["approve", "change", "reject"]
    assert item["payload"]["show"] == {"amount": 300, "why": "an invoice"}


def test_the_inbox_is_filtered_and_paged(signoff: Cli, begin: Begin):
    first, second = begin("t1"), begin("t2")
    signoff("decide", first, "approve")

    def ids(*options: str) -> list[str]:
        return [item["id"] for item in signoff("inbox", "--json", *options).json["items"]]

    assert ids() == [second]
    assert ids("--all") == [second, first]
    assert ids("--state", "decided") == [first]
    assert ids("--state", "decided", "--state", "open", "--sort", "opened_at") == [first, second]
    assert ids("--graph", "payment", "--node", "review", "--topic", "payment") == [second]
    assert ids("--thread", "t1") == []
    assert ids("--search", "T2") == [second]
    assert ids("--priority", "urgent") == []
    assert ids("--overdue") == []
    page = signoff("inbox", "--all", "--limit", "1", "--json").json
    assert page["total"] == 2
    assert ids("--all", "--limit", "1", "--cursor", page["next_cursor"]) == [first]
    assert f"--cursor {page['next_cursor']}" in signoff("inbox", "--all", "--limit", "1").out
    assert signoff("inbox", "--cursor", "nonsense").code == 1
    assert signoff("inbox", "--state", "nonsense").code == 2


def test_show_says_what_is_asked_and_how_to_decide_it(signoff: Cli, begin: Begin):
    request_id = begin()
    shown = signoff("show", request_id).out
    for text in (
        "Pay 300?",
        "payment, node review",
        "ask, payment",
        "amount: 300",
        "why: an invoice",
        "change: Change, with a note",
        "amount: integer (what to pay)",
    ):
        assert text in shown
    digest = signoff("show", request_id, "--json").json["digest"]
    assert f"signoff decide {request_id} approve --digest {digest}" in shown
    assert f"signoff decide {request_id} change --values '{{\"amount\": ...}}' --note" in shown
    signoff("decide", request_id, "change", "--values", '{"amount": 2}', "--note", "less")
    shown = signoff("show", request_id).out
    assert f"{getpass.getuser()}: change, " in shown
    assert "note: less" in shown
    assert "To decide" not in shown


@pytest.mark.parametrize("columns", ["80", "200"])
def test_ids_and_states_are_whole_in_any_terminal(
    signoff: Cli, begin: Begin, monkeypatch: pytest.MonkeyPatch, columns: str
):
    monkeypatch.setenv("COLUMNS", columns)
    thread_id = "94cd5407-2d3e-4269-b710-ac395ea34fb6"
    request_id = begin(thread_id, title="Pay the plumber for the new bath and all that was in it?")
    [_, first, *_] = signoff("inbox").out.splitlines()
    assert first.startswith(request_id)
    assert "open" in first
    assert "just now" in first
    assert (thread_id in first) is (columns == "200")
    [_, first, *_] = signoff("threads").out.splitlines()
    assert first.startswith(thread_id)
    assert "interrupted" in first
    assert all(len(line) <= int(columns) for line in signoff("inbox").out.splitlines())


def test_neither_texts_nor_their_names_steer_the_terminal():
    shown = lines_of({"a\x1b[2J": ["b\x1b[2J", {"c\x1b[2J": {}}], "long": "1\n2", "none": ""})
    assert shown == [
        "a\ufffd[2J:",
        "  - b\ufffd[2J",
        "  - c\ufffd[2J: {}",
        "long:",
        "  1",
        "  2",
        'none: ""',
    ]


def test_what_a_graph_says_cannot_steer_the_terminal(signoff: Cli, begin: Begin):
    request_id = begin(title="[bold]Pay[/bold] \x1b[2J\u202e003")
    for command in (("inbox",), ("show", request_id), ("threads", "t1")):
        out = signoff(*command).out
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out)
        assert "[bold]Pay[/bold]" in out


def test_a_decision_is_taken_once_and_goes_on(signoff: Cli, begin: Begin, work: Callable[[], None]):
    request_id = begin()
    digest = signoff("show", request_id, "--json").json["digest"]
    decided = signoff("decide", request_id, "approve", "--by", "jane", "--digest", digest)
    assert decided.code == 0
    assert "jane decided approve: Pay 300?" in decided.out
    again = signoff("decide", request_id, "approve", "--by", "jane", "--json")
    assert again.json["outcome"]["by"] == "jane"
    late = signoff("decide", request_id, "reject", "--by", "joe")
    assert (late.code, late.out) == (1, "")
    assert late.err == f"signoff: Request {request_id} is decided: it takes no decision any more.\n"
    work()
    thread = signoff("threads", "t1", "--json").json
    assert (thread["status"], thread["values"]["paid"]) == ("idle", 300)


def test_a_decision_that_does_not_fit_is_refused_with_the_places(signoff: Cli, begin: Begin):
    request_id = begin()
    refused = signoff("decide", request_id, "change", "--values", '{"amount": 0}')
    assert refused.code == 1
    assert refused.err.count("\n") == 1
    assert "/values/amount" in refused.err
    assert "/note is required" in refused.err
    refused = signoff("decide", request_id, "change", "--values", '{"amount": 0}', "--json")
    said = json.loads(refused.err)
    assert (refused.code, refused.out, said["code"]) == (1, "", "invalid_answer")
    assert {each["pointer"] for each in said["errors"]} == {"/values/amount", "/note"}
    assert signoff("decide", request_id, "approve", "--digest", "sha256:0").code == 1
    assert signoff("decide", "no-such-request", "approve").code == 1
    assert signoff("inbox", "--json").json["total"] == 1
    unsorted = signoff("inbox", "--sort", "zz")
    assert (unsorted.code, unsorted.err.count("zz")) == (2, 1)
    assert "Value error" not in signoff("inbox", "--state", "zz").err


def test_who_acts_is_said_or_set_or_the_user(
    signoff: Cli, begin: Begin, monkeypatch: pytest.MonkeyPatch
):
    first, second, third = begin("t1"), begin("t2"), begin("t3")

    def decided(request_id: str, *options: str) -> str:
        request = signoff("decide", request_id, "approve", "--json", *options).json
        by: str = request["outcome"]["by"]
        return by

    assert decided(first) == getpass.getuser()
    monkeypatch.setenv("SIGNOFF_BY", "set@firm.com")
    assert decided(second) == "set@firm.com"
    assert decided(third, "--by", "said@firm.com") == "said@firm.com"
    assert signoff("start", "payment", "--input", "{}", "--by", "system").code == 1
    nobody = signoff("decide", begin("t4"), "approve", "--by", "")
    assert (nobody.code, "a principal has" in nobody.err) == (1, True)


def test_starting_needs_only_the_name_of_a_graph(signoff: Cli, project: Path):
    (project / "graph.py").write_text("raise SystemExit('the graph was imported')")
    run = signoff("start", "payment", "--input", '{"amount": 1}', "--by", "sales", "--json").json
    assert (run["status"], run["kwargs"]["input"]) == ("pending", {"amount": 1})
    assert run["metadata"]["created_by"] == "sales"
    refused = signoff("start", "nothing", "--input", "{}")
    assert (refused.code, "payment" in refused.err) == (1, True)
    stops = ("--interrupt-before", "review", "--interrupt-before", "pay", "--interrupt-after", "*")
    run = signoff("start", "payment", "--input", "{}", *stops, "--json").json
    assert run["kwargs"]["interrupt_before"] == ["review", "pay"]
    assert run["kwargs"]["interrupt_after"] == "*"
    assert signoff("start", "payment").code == 1
    assert signoff("start", "payment", "--input", "{}", "--thread", "a/b").code == 1
    assert signoff("start", "payment", "--input", "{}", "--thread", "").code == 1
    assert signoff("start", "payment", "--input", "NaN").code == 2


def test_a_stop_is_shown_with_lines_that_need_no_values(signoff: Cli, work: Callable[[], None]):
    order = ("start", "payment", "--input", '{"amount": 1}', "--by", "sales")
    signoff(*order, "--interrupt-before", "review", "--json")
    work()
    [request] = signoff("inbox", "--json").json["items"]
    shown = signoff("show", request["id"]).out
    assert "amount: integer (Amount), optional" in shown
    for action in ("continue", "abort"):
        assert f"signoff decide {request['id']} {action} --digest {request['digest']}" in shown
    decided = signoff("decide", request["id"], "continue", "--values", '{"amount": 7}')
    assert decided.code == 0
    work()
    [request] = signoff("inbox", "--json").json["items"]
    assert request["title"] == "Pay 7?"


@pytest.mark.parametrize("text", ["{", "", '{"a": NaN', "[" * 100_000])
def test_what_is_no_json_is_bad_usage(signoff: Cli, text: str):
    refused = signoff("start", "payment", "--input", text)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "--input" in refused.err
    assert signoff("decide", "x", "approve", "--values", "[]").code == 2


def test_threads_are_listed_and_shown(signoff: Cli, begin: Begin):
    assert signoff("threads").out == "Nothing here.\n"
    request_id = begin("t1")
    begin("t2")
    listed = signoff("threads").out
    assert listed.index("t2") < listed.index("t1")
    assert listed.count("Pay 300?") == 2
    [newest] = signoff("threads", "--limit", "1", "--json").json
    assert newest["thread_id"] == "t2"
    assert "--offset 1" in signoff("threads", "--limit", "1").out
    assert signoff("threads", "--status", "busy", "--json").json == []
    assert len(signoff("threads", "--status", "interrupted", "--json").json) == 2
    assert len(signoff("threads", "--graph", "payment", "--json").json) == 2
    assert signoff("threads", "--graph", "other", "--json").json == []
    one = signoff("threads", "t1", "--json").json
    [[interrupt]] = one["interrupts"].values()
    assert interrupt["value"]["title"] == "Pay 300?"
    assert request_id in signoff("threads", "t1").out
    missing = signoff("threads", "t9", "--json")
    assert (missing.code, json.loads(missing.err)["code"]) == (1, "thread_not_found")


def test_a_failed_delivery_is_shown_and_retried(
    signoff: Cli, begin: Begin, work: Callable[[], None]
):
    request_id = begin()
    assert signoff("retry", request_id).code == 1
    signoff("decide", request_id, "reject")
    work()
    assert "the bank says no" in signoff("threads", "t1").out
    assert "the bank says no" in signoff("threads").out
    shown = signoff("show", request_id).out
    assert "the bank says no" in shown
    assert f"signoff retry {request_id} --reask" in shown
    assert "1 thread cannot go on" in signoff("inbox").out
    assert "not delivered" in signoff("inbox", "--all").out
    assert "(decided, delivery failed)" in signoff("threads", "t1").out
    assert signoff("retry", request_id, "--json").json["delivery"] == "pending"
    work()
    assert signoff("show", request_id, "--json").json["delivery"] == "failed"
    assert "asks anew" in signoff("retry", request_id, "--reask").out
    work()
    [request] = signoff("inbox", "--json").json["items"]
    assert request["id"] != request_id


def test_a_run_is_cancelled_and_its_request_withdrawn(signoff: Cli, begin: Begin):
    request_id = begin()
    cancelled = signoff("cancel", "t1", "--by", "jane")
    assert (cancelled.code, "is cancelled" in cancelled.out) == (0, True)
    assert signoff("show", request_id, "--json").json["state"] == "withdrawn"
    assert signoff("cancel", "t1").code == 1
    assert signoff("cancel", "t9").code == 1
    assert signoff("cancel", "t1", "no-such-run").code == 1


# --- the database --------------------------------------------------------------------------------


def test_a_database_without_tables_is_refused_until_migrated(
    signoff: Cli, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SIGNOFF_DATABASE_URL", empty_database_url)
    for command in (("inbox",), ("threads",), ("show", "x"), ("decide", "x", "y")):
        refused = signoff(*command)
        assert refused.code == 1
        assert "run `signoff migrate`" in refused.err
    applied = signoff("migrate", "--json").json["applied"]
    assert "signoff 0001_foundation" in applied
    assert signoff("migrate", "--json").json == {"applied": []}
    assert signoff("migrate").out == "The database is up to date.\n"
    assert signoff("inbox").code == 0
    monkeypatch.setenv("SIGNOFF_LOG_LEVEL", "debug")
    monkeypatch.setenv("SIGNOFF_LOG_FORMAT", "text")
    configured: list[tuple[str, ...]] = []
    monkeypatch.setattr(logs, "configure", lambda *given: configured.append(given))
    signoff("migrate")
    signoff("inbox")
    assert configured == [("debug", "text")] * 2


def test_a_folder_without_a_database_says_so_and_gets_none(
    anywhere: Cli, project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(project)
    refused = anywhere("inbox", "--json")
    assert refused.code == 1
    said = json.loads(refused.err)
    assert said["code"] == "schema_missing"
    assert "there is no database in .signoff yet" in said["message"]
    assert not (project / ".signoff").exists()


def test_a_database_that_does_not_answer_is_said_at_once_and_without_its_password(
    signoff: Cli, monkeypatch: pytest.MonkeyPatch
):
    for url in (
        "postgresql://jane:sesame@127.0.0.1:1/db",
        "postgresql://jane:sesame@[::1/db",
        "host=127.0.0.1 port=1 password=sesame nonsense",
        "nonsense",
    ):
        monkeypatch.setenv("SIGNOFF_DATABASE_URL", url)
        refused = signoff("inbox")
        assert (refused.code, refused.err.count("\n")) == (1, 1)
        assert refused.err.startswith("signoff: ")
        assert "sesame" not in refused.err


def test_a_mistake_in_the_configuration_is_one_line(signoff: Cli, project: Path):
    (project / "signoff.toml").write_text("\nprot = 1")
    refused = signoff("inbox")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("signoff: signoff.toml:2: there is no setting 'prot'")


def test_the_variables_of_the_project_count(
    signoff: Cli, project: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SIGNOFF_DATABASE_URL")
    (project / ".env").write_text(f"SIGNOFF_DATABASE_URL='{database_url}'\n")
    (project / "langgraph.json").write_text(json.dumps({"graphs": {}, "env": ".env"}))
    assert signoff("inbox").code == 0
    assert "SIGNOFF_DATABASE_URL" in os.environ
