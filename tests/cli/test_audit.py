"""`signoff audit`."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
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


def test_export_writes_a_bundle_that_verifies_itself(signoff: Cli, begin: Begin, project: Path):
    request = begin("t1")
    signoff("audit", "key")
    signoff("audit", "anchor")
    done = signoff("audit", "export", "--thread", "t1")
    assert (done.code, done.out) == (
        0,
        "audit.zip: 2 entries of 1 thread, 1 request, 1 anchor\n",
    )
    with zipfile.ZipFile(project / "audit.zip") as bundle:
        bundle.extract("verify.py", project)
        assert "public-key-1.pem" in bundle.namelist()
    verified = subprocess.run(
        [sys.executable, "-I", project / "verify.py", project / "audit.zip"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "everything is as it was written" in verified.stdout
    other = project / "since.zip"
    since = signoff("audit", "export", "--since", "1h", "-o", str(other), "--json").json
    assert since == {"file": str(other), "entries": 2, "threads": 1, "requests": 1, "anchors": 1}
    lines = signoff("audit", "export", "--request", request, "--lines")
    [opened] = [json.loads(each) for each in lines.out.split("\n") if each]
    assert (opened["event"], opened["request_id"]) == ("request.opened", request)
    written = signoff("audit", "export", "--since", "2026-01-01", "--lines", "-o", "all.jsonl")
    assert written.out == "all.jsonl: 2 entries\n"
    assert (project / "all.jsonl").read_text().count("\n") == 2


def test_export_is_refused_where_there_is_nothing_or_nowhere_to_write(signoff: Cli, begin: Begin):
    begin("t1")
    assert signoff("audit", "export").code == 2
    assert signoff("audit", "export", "--thread", "t1", "--since", "1h").code == 2
    assert signoff("audit", "export", "--since", "yesterday-ish").code == 2
    assert signoff("audit", "export", "--thread", "t9").code == 1
    nowhere = signoff("audit", "export", "--thread", "t1", "-o", "nowhere/audit.zip")
    assert nowhere.code == 1
    assert "nowhere/audit.zip cannot be written" in nowhere.err
