"""The policies of a `signoff.toml`: its tables, read and held against each other.

    [policy]                       # defaults, for every request
    within = "3d"

    [[policy]]                     # for requests that meet all conditions of the table
    graph = "contracts"            # conditions: graph, node, kind, topic
    to = "group:legal"

A request's policy is merged field by field from the call to `ask()`, the tables that match it, the
most specific first, and the defaults: the first that sets a field wins. The more conditions a table
has the more specific it is; of tables with equally many, the one that comes first in the file is.

Calendars and users stand in the same file, since policies name them, and so do webhooks and how
breakpoints are shown. Whatever is wrong is refused when the file is loaded, with its line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from signoff.domain.errors import ConfigError, FieldError, InvalidPolicy
from signoff.domain.jsontext import pointer
from signoff.domain.policy import Policy, merge
from signoff.domain.user import People, User, unknown
from signoff.pauses import fallbacks
from signoff.policies.book import CONDITIONS, PolicyBook, Rule
from signoff.project import breakpoints as breakpoint_tables
from signoff.project import calendars as calendar_tables
from signoff.project import toml_file
from signoff.project import users as user_tables
from signoff.project import webhooks as webhook_tables
from signoff.project.breakpoints import BreakpointForm, Nodes
from signoff.project.files import shown
from signoff.project.toml_file import Document

T = TypeVar("T")


def read_file(
    path: Path,
    users: Iterable[User],
    graphs: Nodes | None = None,
    *,
    groups_come: bool = False,
) -> PolicyBook:
    """The policies of a file, in which no groups but those of these users and its own may be named.

    With `graphs`, breakpoints are those of their nodes; `groups_come` as for `load`.

    Raises:
        ConfigError: It cannot be read.
        InvalidPolicy: Something in it cannot be; it says all that, each with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ConfigError(f"{shown(path)} cannot be read: {reason}") from error
    return load(text, path=path, users=users, graphs=graphs, groups_come=groups_come)


def load(
    text: str,
    *,
    path: Path,
    users: Iterable[User] | None = None,
    channels: Collection[str] | None = None,
    graphs: Nodes | None = None,
    groups_come: bool = False,
) -> PolicyBook:
    """The policies of a file with this `text`; `path` names it in errors and sources.

    With `users` (all that the desk knows, beside those of the file) and `channels`, no other groups
    and channels may be named in it; other users may, as `PolicyBook.doubts` says: they may still
    come. With `graphs`, breakpoints are those of their nodes; that a policy is for others is a
    doubt as well. If `groups_come` when people sign in, by `[oidc]` in the file or by settings from
    elsewhere, other groups are doubts too.

    Raises:
        InvalidPolicy: Something in it cannot be; it says all that, each with its line.
    """
    try:
        document = toml_file.parse(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidPolicy(shown(path) + toml_file.place_and_message(error)) from error
    return _Loader(document, shown(path), groups_come).book(users, channels, graphs)


class _Loader:
    """Reads one document, and gathers what is wrong with it."""

    def __init__(self, document: Document, file: str, groups_come: bool) -> None:
        oidc = document.content.get("oidc")
        self._document = document
        self._file = file
        said = isinstance(oidc, dict) and bool(oidc.get("groups_claim"))
        self._groups_come = groups_come or said
        self._problems: dict[tuple[toml_file.Path, str], toml_file.Path] = {}

    def book(
        self,
        known: Iterable[User] | None,
        channels: Collection[str] | None,
        graphs: Nodes | None,
    ) -> PolicyBook:
        """The book, if nothing is wrong."""
        users, places = self._named("user", user_tables.read)
        calendars, _ = self._named("calendar", calendar_tables.read)
        webhooks, _ = self._named("webhook", webhook_tables.read)
        breakpoints = self._breakpoints(graphs)
        rules = self._rules()
        for rule in rules:
            self._check_fallback(rule)
            self._check_together(rule, [each for each in rules if each.holds_wherever(rule)])
            if rule.policy.calendar is not None and rule.policy.calendar not in calendars:
                self._note(rule, "/calendar", unknown("calendar", rule.policy.calendar, calendars))
            if channels is not None:
                self._check_channels(rule, channels)
        people = None
        if known is not None:
            people = People.of([*known, *users.values()])
            for rule in () if self._groups_come else rules:
                for error in people.strange_groups(rule.policy):
                    self._note(rule, error.pointer, error.message)
            self._check_substitutes(users.values(), places, people.users)
        if self._problems:
            raise self._refusal()
        return PolicyBook(
            rules=tuple(rules),
            calendars=calendars,
            users=tuple(users.values()),
            breakpoints=breakpoints,
            webhooks=tuple(webhooks.values()),
            doubts=self._doubts(rules, people, graphs),
        )

    # --- tables ------------------------------------------------------------------------------

    def _tables(self, name: str) -> Iterator[tuple[toml_file.Path, dict[str, Any]]]:
        """The tables of this name, and where they stand; `[policy]` may be a single one."""
        given = self._document.content.get(name, [])
        if isinstance(given, dict) and name == "policy":
            yield (name,), given
        elif isinstance(given, list) and all(isinstance(each, dict) for each in given):
            yield from (((name, n), each) for n, each in enumerate(given))
        else:
            self._problem((name,), "", f"must be a list of tables: [[{name}]]")

    def _named(
        self, name: str, read: Callable[[dict[str, Any]], T]
    ) -> tuple[dict[str, T], dict[str, toml_file.Path]]:
        """What these tables make, and where they stand, by the names that they give."""
        found: dict[str, T] = {}
        places: dict[str, toml_file.Path] = {}
        for path, table in self._tables(name):
            try:
                made = read(table)
            except InvalidPolicy as error:
                self._problems_at(path, error.errors)
                continue
            if table["name"] in found:
                self._problem(path, "/name", f"is {table['name']!r} once more")
            found[table["name"]], places[table["name"]] = made, path
        return found, places

    def _breakpoints(self, graphs: Nodes | None) -> dict[str, BreakpointForm]:
        """The forms of breakpoints by their nodes."""
        tables = self._document.content.get("breakpoints", {})
        if not isinstance(tables, dict):
            self._problem(("breakpoints",), "", "must be tables by nodes: [breakpoints.NODE]")
            return {}
        found = {}
        for node, table in tables.items():
            path = ("breakpoints", node)
            if not isinstance(table, dict):
                self._problem(path, "", f"must be a table: [breakpoints.{node}]")
                continue
            if graphs is not None and (stranger := breakpoint_tables.stranger(node, graphs)):
                self._problem(path, "", stranger)
            try:
                found[node] = breakpoint_tables.read(table)
            except InvalidPolicy as error:
                self._problems_at(path, error.errors)
        return found

    def _rules(self) -> list[Rule]:
        """The rules in order of precedence; a table of defaults comes last."""
        rules: list[Rule] = []
        number = 0
        for path, table in self._tables("policy"):
            conditions = {name: table[name] for name in CONDITIONS if name in table}
            number += bool(conditions)
            label = f"[[policy]] {table.get('name', number)}" if conditions else "[policy]"
            if not conditions and any(not rule.conditions for rule in rules):
                self._problem(path, "", "has no conditions, as another one: defaults stand once")
            fields = {k: v for k, v in table.items() if k not in (*CONDITIONS, "name")}
            try:
                policy = Policy.read(fields, source=self._file)
            except InvalidPolicy as error:
                self._problems_at(path, error.errors)
                wrong = [f"{each.pointer}/" for each in error.errors]
                right = {
                    name: value
                    for name, value in fields.items()
                    if not any(each.startswith(f"{pointer(name)}/") for each in wrong)
                }
                policy = Policy.read(right, source=self._file)
            sources = {each: f"{self._place((*path, each))} {label}" for each in policy.sources}
            if self._check_conditions(path, table):
                policy = replace(policy, sources=sources)
                rules.append(Rule(conditions=conditions, policy=policy, path=path))
        return sorted(rules, key=lambda rule: -len(rule.conditions))

    # --- checks ------------------------------------------------------------------------------

    def _check_conditions(self, path: toml_file.Path, table: Mapping[str, Any]) -> bool:
        before = len(self._problems)
        for name in (*CONDITIONS, "name"):
            value = table.get(name, "x")
            if not isinstance(value, str) or not value.strip():
                self._problem(path, f"/{name}", "must be a text that is not empty")
        kind = table.get("kind", "ask")
        kinds = fallbacks.kind_names()
        if isinstance(kind, str) and kind.strip() and kind not in kinds:
            self._problem(path, "/kind", unknown("kind", kind, kinds, listed=True))
        return len(self._problems) == before

    def _check_fallback(self, rule: Rule) -> None:
        kind, fallback = rule.conditions.get("kind"), rule.policy.otherwise
        if fallback is None:
            return
        suffix = "" if kind is None else f" (requests of kind {kind})"
        for error in fallbacks.check(fallback, kind):
            self._note(rule, f"/otherwise{error.pointer}", error.message + suffix)

    def _check_together(self, rule: Rule, layers: Sequence[Rule]) -> None:
        """What the policy of a request that matches this rule, and all it includes, cannot keep."""
        merged = merge(layer.policy for layer in layers)
        for error in merged.problems():
            name = error.pointer.split("/")[1]
            other = "to" if name == "quorum" else "within"
            owner, second = (
                next(layer for layer in layers if each in layer.policy.sources)
                for each in (name, other)
            )
            also = "" if owner is second else f": {other} is from {merged.sources[other]}"
            self._note(owner, error.pointer, error.message + also)

    def _check_channels(self, rule: Rule, channels: Collection[str]) -> None:
        notified = [("/notify", rule.policy.notify)]
        for n, step in enumerate(rule.policy.escalate):
            notified.append((f"/escalate/{n}/notify", step.notify))
        for at, names in notified:
            for name in names:
                if name not in channels:
                    self._note(rule, at, unknown("channel", name, channels))

    def _check_substitutes(
        self, users: Iterable[User], places: Mapping[str, toml_file.Path], names: Collection[str]
    ) -> None:
        for user in users:
            for n, absence in enumerate(user.absences):
                if absence.substitute not in names:
                    message = unknown("user", absence.substitute, names)
                    self._problem(places[user.name], f"/away/{n}/substitute", message)

    def _doubts(
        self, rules: Iterable[Rule], people: People | None, graphs: Nodes | None
    ) -> tuple[str, ...]:
        """What there is not yet, graphs, nodes and users: it may still come, or be mistyped."""
        found = [
            ((*rule.path, *_steps(error.pointer)), rule.path, error.message)
            for rule in rules
            for error in [
                *([] if graphs is None else _strange_places(rule, graphs)),
                *([] if people is None else people.strange_users(rule.policy)),
                *(people.strange_groups(rule.policy) if people and self._groups_come else []),
            ]
        ]
        found.sort(key=lambda each: self._document.line(each[0]))
        return tuple(
            f"{self._place(path)}: {_name(path, table)} {message}" for path, table, message in found
        )

    # --- problems ----------------------------------------------------------------------------

    def _note(self, rule: Rule, at: str, message: str) -> None:
        self._problem(rule.path, at, message)

    def _problems_at(self, path: toml_file.Path, errors: Iterable[FieldError]) -> None:
        for error in errors:
            self._problem(path, error.pointer, error.message)

    def _problem(self, table: toml_file.Path, at: str, message: str) -> None:
        """Note once that something is wrong; `at` is a pointer within the table."""
        self._problems[(*table, *_steps(at)), message] = table

    def _place(self, path: toml_file.Path) -> str:
        return f"{self._file}:{self._document.line(path)}"

    def _refusal(self) -> InvalidPolicy:
        """All problems in the order of their lines, each named from its table."""
        found = sorted(self._problems.items(), key=lambda each: self._document.line(each[0][0]))
        said = []
        for (path, message), table in found:
            said.append(f"{self._place(path)}: {_name(path, table)} {message}")
        errors = [FieldError(pointer(*path), message) for (path, message), _ in found]
        return InvalidPolicy("; ".join(said), errors)


def _strange_places(rule: Rule, graphs: Nodes) -> list[FieldError]:
    """The condition of a rule that nothing meets, as there is no such graph, or node of it."""
    graph, node = rule.conditions.get("graph"), rule.conditions.get("node")
    if graph is not None and graph not in graphs:
        return [FieldError("/graph", unknown("graph", graph, sorted(graphs), listed=True))]
    if node is None:
        return []
    place = node if graph is None else f"{graph}:{node}"
    strange = breakpoint_tables.stranger(place, graphs)
    return [] if strange is None else [FieldError("/node", strange)]


def _name(path: toml_file.Path, table: toml_file.Path) -> str:
    """What stands at a path, as it is named within its table."""
    return ".".join(map(str, path[len(table) :])) or ".".join(map(str, path[:1]))


def _steps(at: str) -> list[str | int]:
    """The steps of a JSON pointer. Numbers are taken as positions: hardly a key here is one."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in at.split("/")[1:]]
    return [int(step) if step.isdecimal() else step for step in steps]
