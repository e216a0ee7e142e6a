"""`signoff users`."""

from __future__ import annotations

import io
import sys

import pytest

from signoff.domain.preferences import Preferences
from tests.cli.conftest import Cli


def test_users_are_added_listed_and_removed(signoff: Cli):
    assert signoff("users", "list").out == "Nobody here.\n"
    added = signoff("users", "add", "jane@firm.com", "--group", "legal", "--group", "group:board")
    assert (added.code, added.out) == (0, "jane@firm.com is in legal, board.\n")
    jane = signoff("users", "add", "jane@firm.com", "--email", "j@firm.com", "--json").json
    assert jane == {
        "name": "jane@firm.com",
        "groups": ["legal", "board"],
        "email": "j@firm.com",
        "role": "reviewer",
        "graphs": None,
        "away": [],
        "addresses": [],
        "preferences": Preferences().to_json(),
        "chosen": False,
    }
    jane = signoff("users", "add", "jane@firm.com", "--apprise", "slack://a/b/c", "--json").json
    assert [each[:9] for each in jane["addresses"]] == ["slack://…"]
    signoff("users", "add", "tom@firm.com")
    listed = signoff("users", "list", "--json").json["items"]
    assert [user["name"] for user in listed] == ["jane@firm.com", "tom@firm.com"]
    assert signoff("users", "list", "--group", "group:legal", "--json").json["items"] == [jane]
    assert "jane@firm.com" in signoff("users", "list").out
    assert signoff("users", "remove", "tom@firm.com", "--json").json == {"removed": "tom@firm.com"}
    gone = signoff("users", "remove", "tom@firm.com")
    assert (gone.code, gone.out) == (1, "")
    assert "There is no user tom@firm.com" in gone.err
    assert signoff("users", "list", "--json").json["items"] == [jane]


def test_groups_are_listed_and_those_of_a_user_change(signoff: Cli):
    assert signoff("users", "groups").out == "No groups here.\n"
    signoff("users", "add", "jane", "--group", "legal", "--group", "board")
    signoff("users", "add", "tom", "--group", "legal")
    assert signoff("users", "groups", "--json").json == {
        "items": [
            {"name": "board", "users": ["jane"]},
            {"name": "legal", "users": ["jane", "tom"]},
        ]
    }
    assert "group:legal" in signoff("users", "groups").out
    after = signoff("users", "groups", "jane", "--add", "hr", "--remove", "group:board", "--json")
    assert after.json["groups"] == ["legal", "hr"]
    assert signoff("users", "groups", "nobody", "--add", "hr").code == 1
    assert signoff("users", "groups", "--add", "hr").code == 2


def test_somebody_who_is_away_has_a_substitute_until_they_are_back(signoff: Cli):
    signoff("users", "add", "jane")
    signoff("users", "add", "tom")
    period = ("--from", "2026-12-21", "--until", "2027-01-03", "--timezone", "Europe/Berlin")
    away = signoff("users", "away", "jane", "--substitute", "tom", *period, "--json").json["away"]
    assert away == [
        {
            "substitute": "tom",
            "from": "2026-12-20T23:00:00+00:00",
            "until": "2027-01-03T23:00:00+00:00",
        }
    ]
    assert signoff("users", "away", "jane", "--substitute", "tom", *period, "--json").json[
        "away"
    ] == (away), "the same time away once more is no other"
    assert "tom stands in" in signoff("users", "list").out
    assert signoff("users", "away", "jane", "--back", "--json").json["away"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["add", ""], 1, "name is ''"),
        (["add", "jane", "--email", "nonsense"], 1, "e-mail"),
        (["add", "jane", "--group", " "], 1, "groups.0"),
        (["add"], 2, "name"),
        (["away", "jane", "--substitute", "nobody"], 1, "no user nobody"),
        (["add", "jane", "--apprise", "syslog://"], 1, "is no address"),
        (["away", "jane"], 2, "--back"),
        (["away", "jane", "--back", "--substitute", "tom"], 2, "--back"),
        (["away", "jane", "--substitute", "tom", "--from", "soon"], 2, "no date"),
        (
            [
                "away",
                "jane",
                "--substitute",
                "tom",
                "--from",
                "2026-02-02",
                "--until",
                "2026-01-01",
            ],
            1,
            "comes before from",
        ),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_what_makes_no_user_is_refused_in_a_line(
    signoff: Cli, arguments: list[str], code: int, said: str
):
    signoff("users", "add", "tom")
    refused = signoff("users", *arguments)
    assert (refused.code, refused.out, refused.err.count("\n")) == (code, "", 1)
    assert said in refused.err
    assert [u["name"] for u in signoff("users", "list", "--json").json["items"]] == ["tom"]


def test_a_password_is_set_from_standard_input_and_taken_away(
    signoff: Cli, monkeypatch: pytest.MonkeyPatch
):
    signoff("users", "add", "jane")
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    done = signoff("users", "password", "jane")
    assert (done.code, done.out) == (0, "jane signs in with the new password.\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    refused = signoff("users", "password", "jane")
    assert (refused.code, refused.out) == (1, "")
    assert "12 to 1000" in refused.err
    removed = signoff("users", "password", "jane", "--remove", "--json").json
    assert removed == {"user": "jane", "password": False}
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert "no user nobody" in signoff("users", "password", "nobody").err
    assert sys.stdin.read() == "short\n", "who is unknown needs no password"


def test_a_user_is_signed_out_everywhere(signoff: Cli):
    signoff("users", "add", "jane")
    done = signoff("users", "sign-out", "jane", "--json").json
    assert done == {"user": "jane", "sessions_ended": 0}
    assert "no user nobody" in signoff("users", "sign-out", "nobody").err


def test_who_a_user_is_at_a_provider_is_forgotten(signoff: Cli):
    signoff("users", "add", "jane")
    assert signoff("users", "unlink", "jane", "--json").json == {"user": "jane", "unlinked": []}
    assert "nobody at an OpenID provider" in signoff("users", "unlink", "jane").out
    assert "no user nobody" in signoff("users", "unlink", "nobody").err
