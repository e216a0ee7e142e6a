"""`signoff audit`."""

from __future__ import annotations

from pathlib import Path

import psycopg

from tests.cli.conftest import Begin, Cli


def tamper(database_url: str, statement: str) -> None:
    with psycopg.connect(database_url, options="-c search_path=signoff", autocommit=True) as conn:
        conn.execute(statement.encode())


def test_verify_says_whether_all_is_as_it_was_written(signoff: Cli, begin: Begin):
    nothing = signoff("audit", "verify")
    assert (nothing.code, nothing.out) == (
        0,
        "0 entries of 0 threads, 0 anchors: all as they were written.\n",
    )
    begin("t1")
    begin("t2")
    said = signoff("audit", "verify")
    assert said.code == 0
    assert said.out.startswith("4 entries of 2 threads, 0 anchors: all as they were written.\n")
    assert signoff("audit", "verify", "--thread", "t1", "--json").json == {
        "ok": True,
        "entries": 2,
        "threads": 1,
        "anchors": 0,
        "last_anchor": None,
        "unanchored": 2,
        "found": 0,
        "findings": [],
    }


def test_verify_names_the_row_that_was_tampered_with_and_fails(
    signoff: Cli, begin: Begin, database_url: str
):
    begin("t1")
    begin("t2")
    tamper(database_url, "UPDATE audit SET event = 'run.made' WHERE thread_id = 't2' AND seq = 1")
    said = signoff("audit", "verify")
    assert said.code == 1
    assert "t2" in said.out
    assert "its column event is not what its text says" in said.out
    assert "1 found that is not as it was written" in said.out
    printed = signoff("audit", "verify", "--json")
    assert printed.code == 1
    assert '"kind": "edited"' in printed.out
    assert signoff("audit", "verify", "--thread", "t1").code == 0
    assert signoff("audit", "verify", "--thread", "t2").code == 1


def test_verify_of_a_thread_that_never_was_is_refused(signoff: Cli):
    refused = signoff("audit", "verify", "--thread", "t9")
    assert (refused.code, refused.out) == (1, "")
    assert "t9" in refused.err


def test_anchors_are_signed_with_the_key_of_the_project(
    signoff: Cli, begin: Begin, project: Path, database_url: str
):
    begin("t1")
    refused = signoff("audit", "anchor")
    assert (refused.code, refused.out) == (1, "")
    assert "signoff audit key" in refused.err
    made = signoff("audit", "key", "--json").json
    assert made["made"]
    assert Path(made["file"]) == project / ".signoff" / "audit.key"
    printed = signoff("audit", "key")
    assert (printed.out.strip(), printed.err) == (made["public_key"], "")
    [anchor] = signoff("audit", "anchor", "--json").json["items"]
    assert anchor["entries"] == 2
    assert signoff("audit", "anchor").out == "Nothing was added since the last anchor.\n"
    noted = f"1:{anchor['digest']}"
    verified = signoff("audit", "verify", "--anchor", noted, "--json").json
    assert (verified["anchors"], verified["unanchored"]) == (1, 0)
    assert verified["last_anchor"] == {"number": 1, "digest": anchor["digest"]}
    tamper(database_url, "UPDATE audit_anchors SET entries = 3")
    assert signoff("audit", "verify").code == 1
    assert signoff("audit", "verify", "--anchor", "1").code == 2
    stranger = signoff("audit", "verify", "--public-key", "nobody's")
    assert stranger.code == 1
    assert "is no public key" in stranger.err
