"""The rules of `signoff check`: the documented samples, and what is near to them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.lint import RULES, check_file, check_text, python_files

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "reference" / "check.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (SO\d+)\n(.*?)(?=^## |\Z)", DOCUMENT, re.M | re.S))
HERE = Path("graph.py")

HEAD = """\
import contextlib, random, time, uuid, requests
from datetime import datetime
from langgraph.errors import GraphBubbleUp
from langgraph.types import interrupt
from signoff import Action, ask, once
import signoff
"""


def codes(text: str) -> list[str]:
    return [each.code for each in check_text(text, HERE, groups={"legal"})]


def in_node(body: str, *, head: str = "def node(state):") -> list[tuple[str, int]]:
    """What is found in a node with this body, with the lines of the body."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").split("\n"))
    before = (HEAD + head + "\n").count("\n")
    found = check_text(f"{HEAD}{head}\n{lines}\n", HERE, groups={"legal"})
    return [(each.code, each.line - before) for each in found]


@pytest.mark.parametrize("code", [code for code in RULES if code != "SO001"])
def test_of_the_two_samples_of_a_rule_the_first_is_found_and_the_second_is_not(code: str) -> None:
    bad, good = re.findall(r"```python\n(.*?)```", SECTIONS[code], re.S)
    assert set(codes(bad)) == {code}
    assert codes(good) == []


def test_every_rule_is_documented_and_nothing_else() -> None:
    assert [*SECTIONS] == [*RULES]


FOUND = {
    "a bare except": ("try:\n    ask('x')\nexcept:\n    pass", [("SO101", 3)]),
    "one of several": (
        "try:\n    ask('x')\nexcept (KeyError, Exception):\n    pass",
        [("SO101", 3)],
    ),
    "its own exception": (
        "try:\n    interrupt('x')\nexcept GraphBubbleUp:\n    return {}",
        [("SO101", 3)],
    ),
    "raised as another": (
        "try:\n    ask('x')\nexcept Exception as e:\n    raise ValueError() from e",
        [("SO101", 3)],
    ),
    "suppressed": ("with contextlib.suppress(Exception):\n    signoff.ask('x')", [("SO101", 1)]),
    "in an outer try": (
        "try:\n    try:\n        ask('x')\n    except KeyError:\n        return\n"
        "except Exception:\n    pass",
        [("SO101", 6)],
    ),
    "an effect in a loop": (
        "for x in state:\n    a = interrupt(x)\n    requests.post('u')",
        [("SO102", 3)],
    ),
    "an effect between two": ("interrupt(1)\nrequests.post('u')\ninterrupt(2)", [("SO102", 2)]),
    "what is sent, not whom it is sent by": (
        "smtplib.SMTP('mail').sendmail('a', 'b', 'c')\n"
        "with smtplib.SMTP('mail') as mail:\n    mail.send_message(1)\nask('x')",
        [("SO102", 1), ("SO102", 3)],
    ),
    "an effect of a client": ("state.client.post('u')\nask('x')", [("SO102", 1)]),
    "an effect in what is asked": ("ask('x', show=send_it())", [("SO102", 1)]),
    "a test before": ("if random.random() < 0.5:\n    return {}\nask('x')", [("SO103", 1)]),
    "a variable": ("now = time.time()\nlate = now > 7\nif late:\n    ask('x')", [("SO103", 3)]),
    "a set": ("todo = {1, 2}\nfor n in todo:\n    interrupt(n)", [("SO103", 2)]),
    "an id": ("key = uuid.uuid4()\ninterrupt({'key': str(key)})", [("SO104", 2)]),
    "a moment": (
        "begun = datetime.now()\nask('x')\nreturn {'t': datetime.now() - begun}",
        [("SO105", 3)],
    ),
    "a key": ("ask('x', show={1: 2})", [("SO201", 1)]),
    "deep": ("ask('x', show={'a': [{'b': b'c'}]})", [("SO201", 1)]),
    "none": ("ask('x', actions=[])", [("SO202", 1)]),
    "an action twice": ("ask('x', actions=['a', Action('a', label='A')])", [("SO202", 1)]),
    "a fallback in a dict": ("ask('x', otherwise={'action': 'maybe'})", [("SO203", 1)]),
    "escalation after the deadline": (
        "ask('x', within='1h', escalate=[{'after': '2h', 'to': 'ann'}])",
        [("SO204", 1)],
    ),
    "priority": ("ask('x', priority='highest')", [("SO204", 1)]),
    "a group to escalate to": (
        "ask('x', escalate=[{'after': '1h', 'to': ['group:boss']}])",
        [("SO205", 1)],
    ),
    "no title": ("ask(show=1)", [("SO206", 1)]),
    "no name": ("ask('x', actions=[Action(name=' ')])", [("SO206", 1)]),
    "a long title": (f"ask('{'x' * 301}')", [("SO206", 1)]),
}

NOT_FOUND = {
    "what can go wrong": "try:\n    ask('x')\nexcept KeyError:\n    pass",
    "let through": "try:\n    ask('x')\nexcept GraphBubbleUp:\n    raise\nexcept Exception:\n    0",
    "raised again": "try:\n    ask('x')\nexcept Exception as e:\n    log(e)\n    raise",
    "asked in the handler": "try:\n    pay()\nexcept Exception as e:\n    ask('x', show=str(e))",
    "a function within": "try:\n    def later():\n        ask('x')\nexcept Exception:\n    pass",
    "an effect behind": "a = ask('x')\nrequests.post('u')",
    "an effect in the other branch": "if state:\n    requests.post('u')\nelse:\n    ask('x')",
    "an effect of those who leave": "if state:\n    requests.post('u')\n    return {}\nask('x')",
    "an effect once": "once('k', lambda key: requests.post('u'))\nask('x')",
    "an effect with a key": "requests.post('u', headers={'Idempotency-Key': 'k'})\nask('x')",
    "reading": "requests.get('u')\nask('x')",
    "sorted": "for n in sorted({1, 2}):\n    interrupt(n)",
    "the time kept": "now = once('now', time.time)\nif now > 7:\n    ask('x', show={'now': now})",
    "the time behind": "a = ask('x')\nreturn {'at': time.time() - 5}",
    "what stands elsewhere": "ask('x', show=state, actions=state['a'], otherwise=state['o'])",
    "a group that is a variable": "ask('x', to=f\"group:{state['team']}\")",
    "nothing set": "ask('x', to=None, within=None, otherwise=None)",
    "arguments that are passed on": "ask(*state['a'], **state['b'])",
    "keys that differ": "for n in state:\n    once(f'k{n}', pay)",
}


@pytest.mark.parametrize("name", FOUND)
def test_a_mistake_is_found_in_its_line(name: str) -> None:
    body, expected = FOUND[name]
    assert in_node(body) == expected


@pytest.mark.parametrize("name", NOT_FOUND)
def test_what_is_in_order_is_left_alone(name: str) -> None:
    assert in_node(NOT_FOUND[name]) == []


def test_a_pause_or_an_effect_in_a_function_of_the_file_counts() -> None:
    text = HEAD + (
        "def tell():\n    requests.post('u')\n"
        "def approve():\n    return ask('x')\n"
        "def twice():\n    return approve()\n"
        "def node():\n    tell()\n    try:\n        twice()\n    except Exception:\n        0\n"
    )
    assert codes(text) == ["SO102", "SO101"]


def test_another_function_of_that_name_is_no_pause() -> None:
    assert codes("from mine import ask\ntry:\n    ask('')\nexcept Exception:\n    pass\n") == []


def test_a_comment_says_that_what_is_found_in_its_line_is_meant() -> None:
    for comment, left in {
        "# signoff: ignore": [],
        "# signoff: ignore[SO206]": [],
        "# what we want  # signoff:ignore[SO206, SO101]": [],
        "# signoff: ignore[SO101]": ["SO206"],
        "# ignore": ["SO206"],
    }.items():
        assert codes(f"from signoff import ask\nask('')  {comment}\n") == left


@pytest.mark.parametrize(
    "text", ["def node(:\n", "x = '\\ud800\n", "\0", "(" * 5_000, b"# coding: nonsense"]
)
def test_what_is_no_python_is_one_finding(text: str | bytes) -> None:
    [found] = check_text(text, HERE)
    assert (found.code, found.path) == ("SO001", HERE)
    assert found.line >= 1 <= found.column


def test_all_examples_are_in_order() -> None:
    files = [*python_files(ROOT / "examples")]
    assert len(files) > 20
    assert [str(found) for file in files for found in check_file(file)] == []


@given(st.lists(st.sampled_from([*FOUND.values()]), min_size=1, max_size=4), st.randoms())
def test_whatever_is_nested_in_whatever_nothing_breaks(
    samples: list[tuple[str, object]], choose
) -> None:
    body = ""
    for sample, _ in samples:
        around = choose.choice(
            ["if state:", "while True:", "for x in state:", "with state:", "def f():"]
        )
        body += f"{sample}\n{around}\n" + "".join(
            f"    {e}\n" for e in (body or "pass").split("\n") if e
        )
    in_node(body)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_python_does(end: str) -> None:
    lines = [*HEAD.splitlines(), "page = 'a \x0c b \u2028 c'", "ask('')  # signoff: ignore", ""]
    assert codes(end.join(lines)) == []
    assert codes(end.join([*lines, "ask('')", ""])) == ["SO206"]


def test_no_link_leads_around_in_a_circle(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "graph.py").touch()
    (folder / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert [*python_files(tmp_path)] == [folder / "graph.py"]
    assert [*python_files(folder / "loop")] == [folder / "loop" / "folder" / "graph.py"]
