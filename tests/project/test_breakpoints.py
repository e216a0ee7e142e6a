"""`[breakpoints]` tables of `signoff.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from signoff.domain.errors import InvalidPolicy
from signoff.domain.jsontext import MAX_TITLE
from signoff.policies.file import PolicyFile
from signoff.policies.reading import load
from signoff.project.breakpoints import BreakpointForm

FILE = Path("signoff.toml")


def test_a_table_for_the_graphs_own_node_comes_first() -> None:
    book = load(
        '[breakpoints.send]\ntitle = "Any"\n[breakpoints."mail:send"]\ntitle = "Mail"\n', path=FILE
    )
    assert book.breakpoint_form("mail", ["other", "send"]).title == "Mail"
    assert book.breakpoint_form("chat", ["send"]).title == "Any"
    assert book.breakpoint_form("chat", ["other"]) == BreakpointForm()


def test_a_title_takes_fields_of_the_state_and_no_more_than_a_line() -> None:
    form = BreakpointForm(title="{a} of {b} {a.b} {}")
    assert form.title_for({"a": "1\n2", "b": [3]}) == "1 2 of [3] {a.b} {}"
    long = form.title_for({"a": "x" * 1000})
    assert long is not None
    assert (len(long), long[-1]) == (MAX_TITLE, "…")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("breakpoints = 3", "signoff.toml:1: breakpoints must be tables by nodes"),
        (
            "[breakpoints]\nsend = 3",
            "signoff.toml:2: breakpoints must be a table: [breakpoints.send]",
        ),
        ("[breakpoints.send]\n\nedits = []", "signoff.toml:3: edits is no setting of a breakpoint"),
        ("[breakpoints.send]\nedit = 'a'", "signoff.toml:2: edit must be a list of fields"),
        ("[breakpoints.send]\nshow = [1]", "signoff.toml:2: show must be a list of fields"),
        ("[breakpoints.send]\nedit = ['a',\n'a']", "signoff.toml:3: edit.1 is 'a' once more"),
        ("[breakpoints.send]\ntitle = ' '", "signoff.toml:2: title must be a text"),
        (f"[breakpoints.send]\ntitle = '{'x' * 301}'", "signoff.toml:2: title has over 300"),
        ("[breakpoints.send]\nlabels = 'a'", "signoff.toml:2: labels must be a table"),
        ("[breakpoints.send.labels]\na = ''", "signoff.toml:2: labels.a must be a text"),
    ],
)
def test_a_table_that_is_not_in_order_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        load(text, path=FILE)
    assert problem in refused.value.message


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("snd", "names 'snd', and there is no such node (did you mean send?)"),
        ("x", "names 'x', and there is no such node; they are draft, pay, send"),
        (
            "mail:pay",
            "names 'pay', and there is no such node of graph 'mail'; they are draft, send",
        ),
        ("mial:send", "names 'mial', and there is no such graph (did you mean mail?)"),
    ],
)
def test_a_table_is_for_a_node_that_there_is(place: str, problem: str) -> None:
    graphs = {"mail": {"send", "draft"}, "shop": {"pay"}}
    right = '[breakpoints."mail:send"]\n[breakpoints.send]\n'
    with pytest.raises(InvalidPolicy) as refused:
        load(f'{right}[breakpoints."{place}"]\n', path=FILE, graphs=graphs)
    assert refused.value.message == f"signoff.toml:3: breakpoints {problem}"


def test_a_node_may_be_of_a_graph_that_only_others_have() -> None:
    graphs = {"mail": {"send"}, "far": None}
    text = '[breakpoints.x]\n[breakpoints."far:y"]'
    assert load(text, path=FILE, graphs=graphs).breakpoints.keys() == {"x", "far:y"}


def test_a_changed_file_holds_and_a_wrong_one_leaves_what_held(tmp_path: Path) -> None:
    path = tmp_path / "signoff.toml"
    path.write_text('[breakpoints.send]\ntitle = "Before"\n')
    book = PolicyFile(path)
    for text, title in (
        ('[breakpoints.send]\ntitle = "Afterwards"\n', "Afterwards"),
        ('[breakpoints.send]\ntitles = "Wrong again"\n', "Afterwards"),
    ):
        path.write_text(text)
        assert book().breakpoint_form("g", ["send"]).title == title
