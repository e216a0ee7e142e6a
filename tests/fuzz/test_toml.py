"""Whatever stands in `signoff.toml`: it holds, or it is said what is wrong and in which line."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff import config
from signoff.config import TABLES, Settings
from signoff.domain.errors import ConfigError, InvalidPolicy
from signoff.domain.jsontext import check
from signoff.domain.policy import FIELDS
from signoff.domain.user import User
from signoff.policies.book import CONDITIONS
from signoff.policies.reading import load
from signoff.project import breakpoints, calendars, users
from tests.fuzz.conftest import bounded

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KNOWN = [User(name="jane", groups=("legal",)), User(name="tom")]
NODES = {"contracts": ["draft", "review"], "elsewhere": None}

STRINGS = [
    *("", " ", "jane", "tom", "group:legal", "group:", "group:strangers", "key:x", "system", "me"),
    *("24h", "90m", "PT24H", "2d", "0m", "-1h", "P1Y", "9" * 70 + "h", "1e3h", "36500d", "0.1s"),
    *("approve", "reject", "review", "contracts", "ask", "choice", "high", "Europe/Berlin", "UTC"),
    *("mon-fri 09:00-17:00", "mon 17:00-09:00", "mon-sun 00:00-24:00", "sat", "../../etc/passwd"),
    *(
        "admin",
        "jane@firm.com",
        "{patient} of {order_id}",
        "{",
        "x" * 301,
        "é\u2028\ud7ff",
        "a/b~c",
        "a\0b",
    ),
    *("https://firm.com", "http://[", "postgresql://x", "./graphs.py:graph", ":", "#", "\x7f"),
]
LITERALS = [
    *("true", "false", "0", "1", "-1", "2", "3", "1_000", "0xff", "1e400", "-0.0", "inf", "-inf"),
    *("nan", "9223372036854775808", "1" * 5000, "1.5", "2026-12-24", "0001-01-01", "9999-12-31"),
    *("2026-12-24T12:00:00+01:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *("2026-12-24T12:00:00", "12:00:00", "[]", "{}", "''", "'''\nx\n'''", '"""\\\n  x"""'),
    *("[[]]", "[{}]", "[1, 'a', {}]", "{ a = { a = { a = 1 } } }", "[\n  1, # one\n  2,\n]"),
]
SHAPES = [
    "{{ action = {0}, values = {{ a = {1} }}, note = {2} }}",
    "{{ after = {0}, to = {1}, priority = {2} }}",
    "[{{ after = {0}, to = [{1}], notify = {2} }}, {{ after = {2} }}]",
    "{{ from = {0}, until = {1}, substitute = {2} }}",
    "[{{ from = {0}, until = {1}, substitute = {2} }}]",
    "{{ country = {0}, subdivision = {1} }}",
    '{{ {0} = {1}, "2026-12-24" = {2} }}',
    '{{ "mon-thu" = [{0}, {1}], fri = {2} }}',
    "[{0}, {1}, {2}]",
    "[{0}]",
]
GOOD = {
    "to": ['"group:legal"', '["jane", "tom"]'],
    "within": ['"24h"'],
    "remind": ['["1h", "2h"]'],
    "escalate": ['[{ after = "4h", to = "tom" }]'],
    "otherwise": ['"reject"', '{ action = "approve", values = { a = 1 } }'],
    "quorum": ["1", "2"],
    "calendar": ['"work"'],
    "timezone": ['"Europe/Berlin"'],
    "hours": ['"mon-fri 09:00-17:00"'],
    "holidays": ['{ country = "DE" }'],
    "closed": ["[2026-12-31]"],
    "away": ['[{ from = 2026-12-21, until = 2027-01-03, substitute = "jane" }]'],
    "show": ['["patient"]'],
    "labels": ['{ dose = "Dose" }'],
    "graph": ['"contracts"'],
    "node": ['"review"'],
    "kind": ['"ask"', '"choice"'],
    "topic": ['"t"'],
    "four_eyes": ["true"],
    "veto": ["false"],
    "priority": ['"high"'],
    "notify": ['"mail"'],
    "groups": ['["legal"]'],
    "email": ['"jane@firm.com"'],
    "role": ['"operator"'],
    "graphs": ['["contracts"]'],
    "special": ['{ 2026-12-24 = "09:00-12:00" }'],
    "title": ['"Order {order_id}"'],
    "edit": ['["dose"]'],
}
"""What fits: tables without anything wrong get further than to the first refusal."""

KEYS: dict[str, list[str]] = {
    "policy": [*CONDITIONS, "name", *FIELDS],
    "user": [*users._READ],
    "calendar": [*calendars._READ],
    "breakpoints": [*breakpoints._FIELDS],
}
HEADERS: dict[str, Callable[[random.Random], str]] = {
    "policy": lambda r: r.choice(["[policy]", "[[policy]]", "[[policy]]", "[ policy ] # all"]),
    "breakpoints": lambda r: r.choice(
        ["[breakpoints.review]", '[breakpoints."contracts:draft"]', '[breakpoints.""]']
    ),
}


def string(choose: random.Random) -> str:
    return json.dumps(choose.choice(STRINGS), ensure_ascii=False).replace("\x7f", "\\u007F")


def value(choose: random.Random, key: str = "", fitting: float = 0.6, depth: int = 0) -> str:
    """A value in TOML, which may fit the key."""
    if key in GOOD and choose.random() < fitting:
        return choose.choice(GOOD[key])
    kind = choose.random()
    if kind < 0.4:
        return string(choose)
    if kind < 0.6 or depth == 3:
        return choose.choice(LITERALS)
    return choose.choice(SHAPES).format(*(value(choose, depth=depth + 1) for _ in range(3)))


def table(choose: random.Random, fitting: float) -> str:
    """A table in TOML."""
    name = choose.choice([*TABLES, *KEYS])
    header = HEADERS.get(name, lambda _: f"[[{name}]]")(choose)
    keys = KEYS.get(name, [])
    chosen = choose.sample(keys, choose.randint(0, min(len(keys), 5)))
    if choose.random() > fitting + 0.2:
        chosen.append(choose.choice(["quorun", '"a.b"', "a.b", "within.x", '""', '"\\u00e9"']))
    lines = [f"{key} = {value(choose, key, fitting)}" for key in chosen]
    if name in ("user", "calendar"):
        lines = [line for line in lines if not line.startswith("name ")]
        if choose.random() < 0.9:
            lines.insert(0, f'name = "{choose.choice(["work", "ann", "zoe"])}"')
    if name == "calendar" and choose.random() < 0.7:
        lines = [line for line in lines if not re.match("(timezone|hours) ", line)]
        lines += ['timezone = "UTC"', 'hours = "mon-fri 09:00-17:00"']
    return "\n".join([header, *lines])


def document(seed: int) -> str:
    """A file near the grammar; now and then with something typed into it."""
    choose = random.Random(seed)
    fitting = choose.choice([0.5, 0.8, 0.98])
    text = "\n\n".join(table(choose, fitting) for _ in range(choose.randint(1, 5)))
    if choose.random() < 0.1:
        at = choose.randrange(len(text) + 1)
        typed = choose.choice(
            ["[", "]", '"', "'", "\n", "=", "#", "\\", "{", "\r", "\ufeff", "[[["]
        )
        text = text[:at] + typed + text[at + choose.randint(0, 2) :]
    return text


def named(message: str, text: str) -> None:
    """Fail if a refusal does not name a line for each problem; TOML may end too early for that."""
    lines = text.replace("\r\n", "\n").count("\n") + 1
    for said in message.split("; signoff.toml"):
        place = re.match(r"(?:signoff\.toml)?:(?:(\d+):)? \S", said)
        assert place is not None, said
        assert place[1] is None or 1 <= int(place[1]) <= lines, said


def look(text: str) -> bool:
    """Whether a file holds; fail if it is not said what is wrong, or what holds is of no use."""
    try:
        book = load(text, path=Path("signoff.toml"), users=KNOWN, channels=("mail",), graphs=NODES)
    except InvalidPolicy as error:
        named(error.message, text)
        return False
    for graph, node, kind in (("contracts", "review", "ask"), ("x", "y", "choice")):
        place = {"graph": graph, "node": node, "kind": kind, "topic": "t", "actions": None}
        policy = book.policy_for({}, **place)
        check(policy.to_json(), where="the policy")
        assert type(policy).from_json(policy.to_json()) == policy
        check([[each.field, each.value] for each in book.explain({}, **place)], where="it")
        with suppress(InvalidPolicy):  # a calendar with too little time
            book.timetable(policy, NOW)
    for form in book.breakpoints.values():
        check([form.title, *form.named, *form.labels.values()], where="the form")
    for user in book.users:
        check([user.name, user.email, *user.groups, *(user.graphs or ())], where="the user")
    return True


@bounded(800)
@given(st.integers(0, 2**64))
def test_policies_users_calendars_and_breakpoints_hold_or_their_line_is_named(seed: int) -> None:
    look(document(seed))


@bounded(150)
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    look(text)


@pytest.mark.parametrize("opening", ["[", "{ a = ", "[{ a = "])
def test_what_is_nested_without_end_is_refused(opening: str) -> None:
    for times in (100, 400, 5_000, 50_000):
        with pytest.raises(InvalidPolicy):
            load(f"[policy]\nquorum = {opening * times}", path=Path("signoff.toml"))


def test_most_of_what_is_made_up_is_near_what_holds() -> None:
    held = sum(look(document(seed)) for seed in range(300))
    assert 15 < held < 285


NAMES = [name for name in Settings.model_fields if name != "graphs"]


@bounded(150)
@given(seed=st.integers(0, 2**64))
def test_settings_hold_or_are_named(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    choose = random.Random(seed)
    lines = [f"{name} = {value(choose)}" for name in choose.sample(NAMES, choose.randint(1, 3))]
    if choose.random() < 0.3:
        lines.append(f"[graphs]\nx = {value(choose)}")
    folder = _folder(tmp_path_factory)
    (folder / "signoff.toml").write_text("\n".join(lines), encoding="utf-8")
    try:
        settings = config.load(folder)
    except ConfigError as error:
        refused = error.message
    else:
        refused = ""
        assert isinstance(settings, Settings)
    assert not refused or re.match(r"\S*signoff\.toml(:\d+)?: \S", refused), refused


_folders: dict[str, Any] = {}


def _folder(factory: pytest.TempPathFactory) -> Path:
    return _folders.setdefault("settings", factory.mktemp("settings"))
