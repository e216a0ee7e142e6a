"""The policies of a desk, and what they make of a request.

A request's policy is merged field by field from the call to `ask()`, the rules that match it, the
most specific first, and the defaults: the first that sets a field wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from signoff.domain.calendar import Calendar
from signoff.domain.errors import FieldError, InvalidPolicy
from signoff.domain.policy import CALL, FIELDS, Policy, merge
from signoff.domain.question import Question
from signoff.domain.timetable import Moment, moments
from signoff.domain.user import People, User
from signoff.domain.webhook import Webhook
from signoff.pauses import fallbacks
from signoff.project import toml_file
from signoff.project.breakpoints import BreakpointForm

CONDITIONS = ("graph", "node", "kind", "topic")
"""What a table can ask of a request, apart from setting its policy."""

DEFAULT = "default"
"""The source of a field that nothing sets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One table: the conditions that a request has to meet, and what it sets for those that do."""

    conditions: Mapping[str, str]
    policy: Policy
    path: toml_file.Path = ()

    def matches(self, place: Mapping[str, str | None]) -> bool:
        """Whether a request at this place meets all conditions."""
        return all(place[name] == wanted for name, wanted in self.conditions.items())

    def holds_wherever(self, other: Rule) -> bool:
        """Whether this rule matches whatever the other one does."""
        return self.conditions.items() <= other.conditions.items()


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """A field of a request's policy: its value as JSON, where that comes from, and what did not
    apply."""

    field: str
    value: Any
    source: str
    remark: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyBook:
    """All policies of a desk; of one without a file, none. `rules` are in order of precedence.

    `people` are all that there are; None if that is not known, as on a desk without users. `doubts`
    say, with their lines, what is allowed and may be a mistake.
    """

    rules: tuple[Rule, ...] = ()
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    users: tuple[User, ...] = ()
    people: People | None = None
    breakpoints: Mapping[str, BreakpointForm] = field(default_factory=dict)
    webhooks: tuple[Webhook, ...] = ()
    doubts: tuple[str, ...] = ()

    def breakpoint_form(self, graph: str, nodes: Iterable[str]) -> BreakpointForm:
        """How a stop at one of these nodes is shown; a table for the graph's own comes first."""
        for node in nodes:
            for name in (f"{graph}:{node}", node):
                if name in self.breakpoints:
                    return self.breakpoints[name]
        return BreakpointForm()

    def policy_for(
        self,
        call: Policy | Mapping[str, Any],
        *,
        graph: str | None,
        node: str | None,
        kind: str | None,
        topic: str | None,
        actions: Sequence[Mapping[str, Any]] | None,
        question: Question | None = None,
    ) -> Policy:
        """The policy of a request, each field with its source.

        `call` is what `ask()` was given, `actions` are those of the question. A fallback of the
        file that the question does not offer, or whose values do not fit, is passed over; if the
        actions are not known (None), as far as the kind can tell. Some kinds look at the
        `question` itself.
        """
        place = {"graph": graph, "node": node, "kind": kind, "topic": topic}
        return merge(layer for layer, _ in self._layers(call, place, actions, question))

    def explain(
        self,
        call: Policy | Mapping[str, Any],
        *,
        graph: str | None,
        node: str | None,
        kind: str | None,
        topic: str | None,
        actions: Sequence[Mapping[str, Any]] | None,
    ) -> tuple[Explained, ...]:
        """Every field of the policy that `policy_for` gives, and where it comes from."""
        place = {"graph": graph, "node": node, "kind": kind, "topic": topic}
        layers = list(self._layers(call, place, actions))
        policy = merge(layer for layer, _ in layers)
        remark = "; ".join(remark for _, remark in layers if remark)
        return explained(policy, remark=remark or None)

    def timetable(self, policy: Policy, opened_at: datetime) -> tuple[Moment, ...]:
        """What is planned for a request with this policy, in the time of its calendar.

        Raises:
            InvalidPolicy: It names a calendar that there is not, or one with too little time.
        """
        if policy.calendar is None:
            return moments(policy, opened_at)
        if policy.calendar not in self.calendars:
            raise InvalidPolicy(f"there is no calendar {policy.calendar!r}")
        return moments(policy, opened_at, self.calendars[policy.calendar])

    def _layers(
        self,
        call: Policy | Mapping[str, Any],
        place: Mapping[str, str | None],
        actions: Sequence[Mapping[str, Any]] | None,
        question: Question | None = None,
    ) -> Iterator[tuple[Policy, str | None]]:
        """The policies that apply, in order of precedence, with what does not apply of each."""
        yield call if isinstance(call, Policy) else Policy.read(call, source=CALL), None
        for rule in self.rules:
            if not rule.matches(place):
                continue
            policy, remark, fallback = rule.policy, None, rule.policy.otherwise
            if fallback and (errors := fallbacks.check(fallback, place["kind"], actions, question)):
                remark = f"{policy.sources['otherwise']} does not fit: {_said(errors)}"
                policy = policy.without("otherwise")
            yield policy, remark


def explained(policy: Policy, *, remark: str | None = None) -> tuple[Explained, ...]:
    """Every field of a policy and where it comes from; a `remark` is about its fallback."""
    values = replace(policy, sources=dict.fromkeys(FIELDS, DEFAULT)).to_json()
    return tuple(
        Explained(
            field=name,
            value=values[name],
            source=policy.sources.get(name, DEFAULT),
            remark=remark if name == "otherwise" else None,
        )
        for name in FIELDS
    )


def _said(errors: Iterable[FieldError]) -> str:
    return "; ".join(f"{e.pointer[1:].replace('/', '.')} {e.message}" for e in errors)
