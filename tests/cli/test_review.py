"""The commands for a person at a terminal, on a terminal: `review`, and `inbox --watch`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from signoff.cli.review import keys_of
from tests.cli.conftest import Begin, Cli

Terminal = Callable[..., "pexpect.spawn[str]"]

TIMEOUT = 60


@pytest.fixture
def terminal(signoff: Cli, project: Path, database_url: str) -> Iterator[Terminal]:
    """A command as somebody sees it who sits at a terminal."""
    spawned = []

    def opened(*arguments: str, **environment: str) -> pexpect.spawn[str]:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "signoff.cli", *arguments],
            env={
                **os.environ,
                "SIGNOFF_DATABASE_URL": database_url,
                "SIGNOFF_BY": "jane",
                "TERM": "xterm",
                **environment,
            },
            cwd=str(project),
            dimensions=(50, 160),
            encoding="utf-8",
            timeout=TIMEOUT,
        )
        spawned.append(child)
        return child

    yield opened
    for child in spawned:
        child.close(force=True)


def interrupt(child: pexpect.spawn[str], then: object) -> None:
    """Press Ctrl-C until it is heard: where it comes just before a read, it is not."""
    heard = 1
    while heard:
        child.sendcontrol("c")
        heard = child.expect([then, pexpect.TIMEOUT], timeout=1)


def ended(child: pexpect.spawn[str]) -> int | None:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_requests_are_decided_one_after_the_other_with_a_key(
    terminal: Terminal, begin: Begin, signoff: Cli
) -> None:
    first, second, third = begin("t1"), begin("t2", amount=5), begin("t3", amount=7)
    at = terminal("review")
    at.expect("Pay 300")
    at.expect("an invoice")
    at.expect(r"\[a\] Approve")
    at.send("a")
    at.expect("Enter to send")
    at.sendline("fine")
    at.expect("thread t1 goes on")

    at.expect("Pay 5")
    at.send("h")  # change: c is taken
    at.expect("amount .*integer.*what to pay")
    at.sendline("0")
    at.expect("a note")
    at.sendline("too much")
    at.expect("/values/amount")
    at.expect("amount")
    at.sendline("4")
    at.expect("a note")
    at.sendline("")  # it is required, so it is asked for again
    at.expect("a note")
    at.sendline("less")
    at.expect("thread t2 goes on")

    at.expect("Pay 7")
    at.send("a")
    at.expect("Enter to send")
    interrupt(at, "Nothing was sent")
    at.send("q")
    at.expect("2 decided, 1 open")
    assert ended(at) == 0

    shown = [signoff("show", each, "--json").json for each in (first, second, third)]
    assert [each["state"] for each in shown] == ["decided", "decided", "open"]
    assert (shown[0]["outcome"]["by"], shown[0]["outcome"]["note"]) == ("jane", "fine")
    assert shown[1]["outcome"]["values"] == {"amount": 4}


def test_one_goes_back_and_forth_claims_and_says_something(
    terminal: Terminal, begin: Begin, signoff: Cli
) -> None:
    first, _ = begin("t1"), begin("t2", amount=5)
    at = terminal("review")
    at.expect("Pay 300")
    at.send("c")
    at.expect("you claimed it")
    at.send("t")
    at.expect("Your comment")
    at.sendline("Who is this?")
    at.expect("jane.*\r\n.*Who is this")
    at.send("n")
    at.expect("Pay 5")
    at.send("p")
    at.expect("Pay 300")
    at.send("?")
    at.expect("claim it, or give up your claim")
    at.send("c")
    at.expect("Pay 300")
    at.send("n")
    at.expect("Pay 5")
    at.send("n")
    at.expect("0 decided, 2 open")
    assert ended(at) == 0
    shown = signoff("show", first, "--json").json
    assert (shown["claimed_by"], shown["comments"][0]["text"]) == (None, "Who is this?")


def test_whoever_comes_second_is_told_and_nothing_is_sent(
    terminal: Terminal, begin: Begin, signoff: Cli
) -> None:
    request = begin("t1")
    at = terminal("review")
    at.expect(r"\[a\] Approve")
    signoff("decide", request, "approve", "--by", "sam")
    at.send("a")
    at.expect("Enter to send")
    at.sendline("")
    at.expect("Somebody else was first")
    assert ended(at) == 0
    assert signoff("show", request, "--json").json["outcome"]["by"] == "sam"


def test_a_review_needs_a_terminal(signoff: Cli) -> None:
    refused = signoff("review")
    assert (refused.code, refused.out) == (2, "")
    assert "needs a terminal" in refused.err
    assert signoff("inbox", "--watch").code == 2


def test_each_action_has_a_key_of_its_own() -> None:
    names = ["continue", "abort", "approve", "nnn", "qqq", "respond", "reject"]
    actions = [{"name": name} for name in names]
    keys = keys_of(actions)
    assert {key: action["name"] for key, action in keys.items()} == {
        "o": "continue",
        "a": "abort",
        "r": "approve",
        "1": "nnn",
        "2": "qqq",
        "e": "respond",
        "3": "reject",
    }


def test_the_inbox_shows_what_comes_while_it_is_watched(
    terminal: Terminal, begin: Begin, signoff: Cli
) -> None:
    request = begin("t1")
    at = terminal("inbox", "--watch")
    at.expect("1 request")
    at.expect("Pay 300")
    begin("t2", amount=5)
    at.expect("2 requests, 1 new")
    at.expect("Pay 5")
    signoff("decide", request, "approve", "--by", "sam")
    at.expect("1 request ")
    interrupt(at, pexpect.EOF)
    assert ended(at) == 0


def test_a_watched_inbox_prints_a_line_for_each_change_for_programs(
    terminal: Terminal, begin: Begin
) -> None:
    at = terminal("inbox", "--watch", "--json")
    at.expect(r'\{"items":\[\],"total":0,"total_exact":true\}')
    request = begin("t1")
    at.expect(r'\{"items":\[\{.*"total":1,.*\}')
    [item] = json.loads(at.match.group(0))["items"]
    assert item["id"] == request
    interrupt(at, pexpect.EOF)
    assert ended(at) == 0
