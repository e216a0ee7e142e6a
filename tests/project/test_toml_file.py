"""TOML with lines: everything that is in a document is found, in its line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.project.toml_file import Path, parse


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """All that leads somewhere in a value."""
    if at:
        yield at
    parts = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        parts = enumerate(value)
    for key, part in parts:
        yield from paths(part, (*at, key))


TRICKY = """\
# [not] = "a table"
title = "a \\" ] # not a comment"   # a comment
'quoted key'.dotted . "more\\u0041" = 1
literal = 'C:\\'
basic = \"\"\"
[not]
not = "\\\\" \\\"\"\"
two quotes at the end: \"\"\"\"\"
raw = '''
not = [
''''
list = [ # here
  1, 2.5,
  [ "a", 'b', ],   # trailing commas
  { x = 1, y = { z = [] } },
  1979-05-27 07:32:00,

  # nothing
]
empty = {}
[ table . "with space" ]
key = true
[[many]]
n = 1
  [many.inner]
  x = 1
  [[many.inner2]]
  [[many.inner2]]
  y = { a.b = 1 }
[[many]]
[many.inner]
x = 2
[table]
other = +inf
"""


def test_everything_is_found_in_its_line():
    document = parse(TRICKY)
    assert document.content == tomllib.loads(TRICKY)
    assert set(document.lines) == set(paths(document.content))
    lines = TRICKY.splitlines()
    for path, begins in [
        (("title",), "title"),
        (("quoted key", "dotted", "moreA"), "'quoted key'"),
        (("raw",), "raw"),
        (("list", 2), "  ["),
        (("list", 3, "y", "z"), "  { x"),
        (("list", 4), "  1979"),
        (("table", "with space"), "[ table"),
        (("many", 0, "inner2", 1, "y", "a", "b"), "  y ="),
        (("many", 1), "[[many]]"),
        (("table", "other"), "other"),
    ]:
        assert lines[document.line(path) - 1].startswith(begins), path
    assert document.line(("many", 1)) > document.line(("many", 0, "inner"))


def test_what_is_not_there_has_the_line_of_what_is_around_it():
    document = parse("a = 1\n[b]\nc = 2\n")
    assert document.line(("b", "d", 3)) == 2
    assert document.line(("e",)) == 1


def test_windows_line_ends_count_once():
    assert parse('a = 1\r\nb = """\r\n\r\n"""\r\nc = 3').lines == {("a",): 1, ("b",): 2, ("c",): 5}


keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=4)
texts = st.text(st.sampled_from("ab\"'\\[]{}#=,. \n\t"), max_size=12)
scalars = st.one_of(st.integers(-5, 5), st.booleans(), st.dates(), texts)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Documents of TOML, written in one or another of its many ways."""

    def key(name: str) -> str:
        bare = name.isascii() and name.replace("-", "").isalnum()
        return name if bare and draw(st.booleans()) else quoted(name)

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

    def gap() -> str:
        return draw(st.sampled_from(["", " ", "\n", " # ] } \" '\n"]))

    def written(value: Any) -> str:
        if isinstance(value, list):
            inner = [f"{gap()}{written(each)}{gap()}" for each in value]
            comma = "," if value and draw(st.booleans()) else ""
            return f"[{','.join(inner)}{comma}{gap()}]"
        if isinstance(value, dict):
            pairs = [f" {key(k)} = {written(v).strip()}" for k, v in value.items()]
            return "{" + ",".join(pairs) + " }"
        if isinstance(value, str):
            form = draw(st.sampled_from(["basic", "literal", "multi", "raw"]))
            if form == "literal" and not {"'", "\n"} & set(value):
                return f"'{value}'"
            if form == "raw" and "'" not in value:
                return f"'''{value}'''"
            if form == "multi" and not {"\\", '"'} & set(value):
                return f'"""\n{value}"""'
            return quoted(value)
        return str(value).lower()

    def pairs(tables: dict[str, Any]) -> str:
        return "".join(f"{key(k)} = {written(v)}\n{gap()}\n" for k, v in tables.items())

    flat = st.dictionaries(keys, values, max_size=3)
    text = pairs(draw(flat))
    for name in draw(st.lists(st.sampled_from(["t1", "t2", "é . x"]), unique=True)):
        text += f"[ {quoted(name)} . inner ]\n{pairs(draw(flat))}"
    for _ in range(draw(st.integers(0, 2))):
        text += f"[[many]]\n{pairs(draw(flat))}[many.'x'.x]\n"
    return text


@given(documents())
def test_of_any_document_just_what_is_in_it_is_found(text):
    content = tomllib.loads(text)
    document = parse(text)
    assert document.content == content
    assert set(document.lines) == set(paths(content))
    assert all(1 <= line <= len(text.splitlines()) + 1 for line in document.lines.values())


def test_defaults_and_a_list_of_policies_stand_in_one_document():
    text = (
        '[policy]  # all\nwithin = "1h"\n[policy.otherwise]\naction = "x"\n[[policy]]\ngraph = "a"'
    )
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)
    document = parse(text)
    assert document.content["policy"] == [
        {"within": "1h", "otherwise": {"action": "x"}},
        {"graph": "a"},
    ]
    assert document.line(("policy", 0, "otherwise", "action")) == 4
    assert document.line(("policy", 1)) == 5


def test_other_mistakes_are_reported_as_they_are():
    with pytest.raises(tomllib.TOMLDecodeError, match="line 2"):
        parse("[policy]\nwithin\n")
    with pytest.raises(tomllib.TOMLDecodeError, match="line 3"):
        parse("[policy]\n[[policy]]\nwithin\n")
    with pytest.raises(tomllib.TOMLDecodeError):
        parse("[a]\n[a]\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a = 1\nb = ["x", "y\\u0000"]', "NUL character cannot be kept (at line 2, column 13)"),
        ('[t]\n"k\\U00000000" = 1', "NUL character cannot be kept (at line 2, column 3)"),
        ("a = " + "1" * 5_000, "An integer has too many digits"),
        ("a = " + "[" * 5_000, "Values are nested too deep"),
    ],
)
def test_what_cannot_be_kept_is_no_document(text: str, said: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError, match=re.escape(said)):
        parse(text)


def test_what_only_looks_like_nul_is_kept() -> None:
    content = {"a": "\\u0000", "b": "\\\\u0000"}
    assert parse("a = '\\u0000'\nb = \"\\\\\\\\u0000\"").content == content
