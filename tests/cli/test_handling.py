"""What the command line does with a request short of deciding it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Begin, Cli


@pytest.fixture
def request_id(signoff: Cli, project: Path, begin: Begin) -> str:
    """A request for two votes of cash: jane, tom, and whomever they hand it on to."""
    for name in ("jane", "tom"):
        signoff("users", "add", name, "--group", "cash")
    signoff("users", "add", "zoe")
    found = begin()
    (project / "signoff.toml").write_text('[policy]\nto = "group:cash"\nquorum = 2\n')
    assert signoff("policy", "reapply", found).code == 0
    return found


def test_a_request_is_claimed_handed_on_and_spoken_of(signoff: Cli, request_id: str):
    said = signoff("claim", request_id, "--by", "jane")
    assert (said.code, said.out) == (0, "jane has claimed: Pay 300?\n")
    assert signoff("inbox", "--assignee", "jane", "--json").json["total"] == 1
    taken = signoff("claim", request_id, "--by", "tom")
    assert (taken.code, "is claimed by jane" in taken.err) == (1, True)
    assert signoff("release", request_id, "--by", "jane", "--json").json["claimed_by"] is None
    assert signoff("inbox", "--assignee", "zoe", "--json").json["total"] == 0
    said = signoff("delegate", request_id, "zoe", "--by", "jane")
    assert said.out == "jane has handed on to zoe: Pay 300?\n"
    said = signoff("comment", request_id, "Is it due?\nI doubt it.", "--by", "tom")
    assert said.out == "tom has commented on: Pay 300?\n"
    assert signoff("decide", request_id, "approve", "--by", "zoe").code == 0
    shown = signoff("show", request_id).out
    for line in (
        "  zoe for jane: approve, ",
        "  1 more vote needed, at the least\n",
        "  jane to zoe, ",
        "  tom, ",
        "    Is it due?\n    I doubt it.\n",
    ):
        assert line in shown


def test_ones_own_inbox_is_that_of_whoever_acts(
    signoff: Cli, request_id: str, monkeypatch: pytest.MonkeyPatch
):
    for name, total in (("jane", 1), ("zoe", 0)):
        monkeypatch.setenv("SIGNOFF_BY", name)
        assert signoff("inbox", "--assignee", "me", "--json").json["total"] == total
    signoff("users", "away", "jane", "--substitute", "zoe")
    assert signoff("inbox", "--assignee", "me", "--json").json["total"] == 0
    handed_on = signoff("delegate", request_id, "jane", "--by", "tom", "--json").json
    assert [each["right"] for each in handed_on["delegations"]] == ["tom"]
    assert signoff("inbox", "--assignee", "me", "--json").json["total"] == 1


def test_a_vote_is_taken_back_until_the_request_is_closed(signoff: Cli, request_id: str):
    signoff("decide", request_id, "approve", "--by", "jane")
    back = signoff("take-back", request_id, "--by", "jane", "--json").json
    assert (back["votes"], back["missing"]) == ([], 2)
    assert signoff("take-back", request_id, "--by", "jane").out == "jane has no vote on: Pay 300?\n"
    signoff("decide", request_id, "approve", "--by", "jane")
    signoff("decide", request_id, "approve", "--by", "tom")
    late = signoff("take-back", request_id, "--by", "jane")
    assert (late.code, "takes no decision any more" in late.err) == (1, True)


def test_a_request_is_withdrawn_by_whom_it_concerns(signoff: Cli, request_id: str):
    strange = signoff("withdraw", request_id, "--by", "eve", "--note", "mine")
    assert (strange.code, "is for group:cash" in strange.err) == (1, True)
    said = signoff("withdraw", request_id, "--by", "tom", "--note", "paid already")
    assert said.out == "tom has withdrawn: Pay 300?\n"
    assert signoff("show", request_id, "--json").json["state"] == "withdrawn"


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("group:cahs", "no such group (did you mean cash?)"),
        ("eve", "no such user"),
        ("jane", "to somebody else"),
    ],
)
def test_a_request_is_handed_on_to_somebody_who_could_decide_it(
    signoff: Cli, request_id: str, to: str, why: str
):
    refused = signoff("delegate", request_id, to, "--by", "jane")
    assert (refused.code, why in refused.err) == (1, True)
    assert signoff("show", request_id, "--json").json["delegations"] == []
    strange = signoff("delegate", request_id, to, "--by", "eve")
    assert (strange.code, strange.err) == (
        1,
        "signoff: This request is for group:cash, and eve is none of them.\n",
    )
