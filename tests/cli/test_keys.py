"""`signoff keys`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from tests.cli.conftest import Cli


def test_keys_are_made_shown_once_listed_and_revoked(signoff: Cli):
    assert signoff("keys", "list").out == "No keys here.\n"
    made = signoff(
        *("keys", "create", "sales-app", "--role", "operator", "--graph", "payment"),
        *("--group", "bots", "--json"),
    ).json
    assert re.fullmatch(rf"signoff_{made['id']}_[\w-]{{43}}", made.pop("key"))
    assert (made["principal"], made["role"]) == ("key:sales-app", "operator")
    assert (made["graphs"], made["groups"]) == (["payment"], ["bots"])
    assert made["state"] == "active"
    assert signoff("keys", "list", "--json").json["items"] == [made]
    shown = signoff("keys", "list").out
    assert "operator on payment" in shown
    assert "never" in shown
    assert f"{made['id']} of key:sales-app is revoked." in signoff("keys", "revoke", made["id"]).out
    assert signoff("keys", "list", "--json").json["items"] == []
    [gone] = signoff("keys", "list", "--all", "--json").json["items"]
    assert (gone["id"], gone["state"]) == (made["id"], "revoked")
    again = signoff("keys", "revoke", "sales-app")
    assert (again.code, again.out) == (1, "")
    assert "signoff keys list" in again.err


def test_a_key_is_for_a_user_and_for_a_time(signoff: Cli):
    signoff("users", "add", "jane", "--role", "operator", "--graph", "payment")
    made = signoff("keys", "create", "laptop", "--user", "jane", "--expires", "90d", "--json").json
    assert (made["principal"], made["role"]) == ("jane", "admin")
    begun, ends = (datetime.fromisoformat(made[each]) for each in ("created_at", "expires_at"))
    assert timedelta(days=89) < ends - begun < timedelta(days=91)
    day = signoff("keys", "create", "x", "--expires", "2999-12-31", "--json").json["expires_at"]
    assert day == "3000-01-01T00:00:00+00:00"
    shown = signoff("keys", "create", "y").out
    assert re.search(r"^signoff_[0-9a-f]{12}_[\w-]{43}$", shown, re.MULTILINE)
    assert "operator on payment" in signoff("users", "list").out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["create"], 2, "name"),
        (["create", "x", "--role", "king"], 2, "king"),
        (["create", "x", "--graph", "paymnt"], 1, "did you mean payment"),
        (["create", "x", "--user", "nobody"], 1, "no user nobody"),
        (["create", "x", "--expires", "soon"], 2, "soon"),
        (["create", "x", "--expires", "2001-01-01"], 1, "passed"),
        (["create", " "], 1, "printable"),
        (["revoke", "nothing"], 1, "no key nothing"),
    ],
)
def test_what_makes_no_key_is_refused_in_a_line(
    signoff: Cli, arguments: list[str], code: int, said: str
):
    refused = signoff("keys", *arguments)
    assert (refused.code, refused.out, refused.err.count("\n")) == (code, "", 1)
    assert said in refused.err
    assert signoff("keys", "list", "--all", "--json").json["items"] == []
