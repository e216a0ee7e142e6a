"""What a policy says: who may decide, how many must, until when, and what happens otherwise.

A policy has the fields that were set for it, each with its source, and the defaults of the rest.
Layers of policies are merged field by field: the first that sets a field wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import reduce
from typing import Any, Literal, NoReturn, Self, TypeGuard, TypeVar, get_args

from signoff.domain import duration
from signoff.domain.errors import FieldError, InvalidInput, InvalidJSON, InvalidPolicy, TooLarge
from signoff.domain.jsontext import check, pointer
from signoff.domain.principal import GROUP, check_principal

Priority = Literal["low", "normal", "high", "urgent"]

ByMessage = Literal["yes", "sign_in", "no"]
"""Whether people may decide from a message: by its link alone, once they have signed in, or not."""

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""From the least to the most pressing; their positions are stored, so that lists sort by them."""

BY_MESSAGE: tuple[ByMessage, ...] = get_args(ByMessage)

MOST_VOTES = 10_000
"""The largest quorum: more is a slip."""

CALL = "ask()"
"""The source of what the call itself gave."""


def rank(priority: Priority) -> int:
    """The position of a priority, 0 for ``low`` to 3 for ``urgent``."""
    return PRIORITIES.index(priority)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """An escalation: what happens when nobody has decided some time after the opening."""

    after: timedelta
    to: tuple[str, ...] = ()
    priority: Priority | None = None
    notify: tuple[str, ...] = ()

    def raised(self, priority: Priority) -> Priority:
        """What this step makes of a priority: its own, else the next higher; never a lower one."""
        next_higher = PRIORITIES[min(rank(priority) + 1, len(PRIORITIES) - 1)]
        return max(priority, self.priority or next_higher, key=rank)

    def to_json(self) -> dict[str, Any]:
        """The step as users see it: only what it has."""
        parts = {"to": self.to, "priority": self.priority, "notify": self.notify}
        return {
            "after": duration.isoformat(self.after),
            **{name: _json(part) for name, part in parts.items() if part},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Fallback:
    """What closes a request at its deadline."""

    action: str
    values: dict[str, Any] = field(default_factory=dict)
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fallback as users see it."""
        return {"action": self.action, "values": self.values, "note": self.note}


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Who may decide a request, how many must, until when, and what happens otherwise.

    Times count from the opening of the request: in working time if the policy names a calendar.
    """

    to: tuple[str, ...] = ()
    """Users, and groups as ``group:name``. Empty: any reviewer."""
    four_eyes: bool = False
    """Whoever started the run may not decide."""
    quorum: int = 1
    """How many votes for one action, with equal values, close the request."""
    veto: bool = True
    """One ``reject`` closes it."""
    priority: Priority = "normal"
    within: timedelta | None = None
    """The deadline."""
    remind: tuple[timedelta, ...] = ()
    escalate: tuple[Step, ...] = ()
    otherwise: Fallback | None = None
    """What happens at the deadline; None: the request stays open and is overdue."""
    notify: tuple[str, ...] = ()
    """The channels that tell people."""
    sign_in_within: timedelta | None = None
    """Whoever decides has signed in no longer ago than this; None: however they are known."""
    by_message: ByMessage = "yes"
    """Whether the link of a message is enough to decide."""
    calendar: str | None = None
    """The calendar whose working time counts; None: all time does."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each field that was set comes from, such as ``ask()`` or a line of a file."""

    @classmethod
    def read(cls, given: Mapping[str, object], *, source: str) -> Self:
        """The policy that sets the fields `given`, as people write them, all from one `source`.

        Durations come in any of their forms; a lone name, moment or step stands for a list of one;
        the name of an action stands for a fallback without values.

        Raises:
            InvalidPolicy: A field is unknown or not of its form; an error points at each.
        """
        values: dict[str, Any] = {}
        errors: list[FieldError] = []
        for name, value in given.items():
            try:
                values[name] = _READ.get(name, _unknown)(value, pointer(name))
            except InvalidPolicy as error:
                errors += error.errors
        if errors:
            raise _invalid(errors)
        return cls(**values, sources=dict.fromkeys(values, source))

    @property
    def decided_by_link(self) -> bool:
        """Whether the link of a message is enough to decide, with no sign-in."""
        return self.by_message == "yes" and self.sign_in_within is None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The policy that `to_json` wrote. A field without a source was given by the call.

        Raises:
            InvalidPolicy: It is not of that form.
        """
        policy = cls.read({k: v for k, v in data.items() if k != "sources"}, source=CALL)
        if sources := data.get("sources"):
            policy = replace(policy, sources={**policy.sources, **sources})
        return policy

    def to_json(self) -> dict[str, Any]:
        """What was set, durations in ISO 8601, and under ``sources`` by whom; `{}` for nothing."""
        given: dict[str, Any] = {
            name: _json(value)
            for name, default in _DEFAULTS.items()
            if (value := getattr(self, name)) != default or name in self.sources
        }
        return {**given, "sources": dict(self.sources)} if self.sources else given

    def over(self, below: Policy) -> Self:
        """This policy, with what it does not set taken from the one `below`."""
        taken = {name: getattr(below, name) for name in below.sources if name not in self.sources}
        return replace(self, **taken, sources={**below.sources, **self.sources})

    def without(self, name: str) -> Self:
        """This policy as if it did not set that field."""
        sources = {key: source for key, source in self.sources.items() if key != name}
        return replace(self, **{name: _DEFAULTS[name]}, sources=sources)

    def of_source(self, source: str) -> Self:
        """This policy with only what it has from that source."""
        names = [name for name, known in self.sources.items() if known == source]
        taken = {name: getattr(self, name) for name in names}
        return type(self)(**taken, sources=dict.fromkeys(names, source))

    def problems(self) -> list[FieldError]:
        """What this policy cannot keep: moments past its deadline, and more votes than voters.

        A moment may be the deadline itself. Delegates and substitutes vote with the right of
        somebody else, so they add no votes; nobody can tell how many are in a group.
        """
        return [*self._late(), *self._impossible_quorum()]

    def named(self) -> Iterator[tuple[str, str]]:
        """All people and groups that it names, each with where, as a JSON pointer."""
        yield from (("/to", name) for name in self.to)
        for n, step in enumerate(self.escalate):
            yield from ((f"/escalate/{n}/to", name) for name in step.to)

    def _late(self) -> list[FieldError]:
        if self.within is None:
            return []
        moments = [
            *((f"/remind/{n}", after) for n, after in enumerate(self.remind)),
            *((f"/escalate/{n}/after", step.after) for n, step in enumerate(self.escalate)),
        ]
        deadline = duration.isoformat(self.within)
        return [
            FieldError(at, f"comes after the deadline, which is within {deadline}")
            for at, after in moments
            if after > self.within
        ]

    def _impossible_quorum(self) -> list[FieldError]:
        people = set(self.to).union(*(step.to for step in self.escalate))
        if not self.to or any(map(is_group, people)) or len(people) >= self.quorum:
            return []
        named = "only one person" if len(people) == 1 else f"only {len(people)} people"
        return [FieldError("/quorum", f"asks for {self.quorum} votes, and {named} can vote")]


def merge(layers: Iterable[Policy]) -> Policy:
    """One policy of many, field by field: the first that sets a field wins."""
    return reduce(Policy.over, layers, Policy())


def is_group(name: str) -> bool:
    """Whether a name among people is that of a group."""
    return name.startswith(GROUP)


_DEFAULTS: Mapping[str, Any] = {
    each.name: getattr(Policy(), each.name) for each in fields(Policy) if each.name != "sources"
}

FIELDS: tuple[str, ...] = tuple(_DEFAULTS)
"""The names of what a policy can set."""


def _json(value: Any) -> Any:
    match value:
        case timedelta():
            return duration.isoformat(value)
        case tuple():
            return [_json(each) for each in value]
        case Step() | Fallback():
            return value.to_json()
    return value


# --- reading -----------------------------------------------------------------------------------

T = TypeVar("T")


def _refuse(at: str, message: str) -> NoReturn:
    raise _invalid([FieldError(at, message)])


def _invalid(errors: list[FieldError]) -> InvalidPolicy:
    said = (f"{each.pointer.lstrip('/').replace('/', '.')} {each.message}" for each in errors)
    return InvalidPolicy("; ".join(said), errors)


def _unknown(value: object, at: str) -> NoReturn:
    _refuse(at, f"is no field of a policy; it has {', '.join(FIELDS)}")


def _list_of(read: Callable[[object, str], T]) -> Callable[[object, str], tuple[T, ...]]:
    def listed(value: object, at: str) -> tuple[T, ...]:
        parts = value if isinstance(value, list | tuple) else [value]
        return tuple(read(part, f"{at}/{n}") for n, part in enumerate(parts))

    return listed


def _names(value: object, at: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple | set | frozenset):
        _refuse(at, "must be a name or a list of names")
    for name in listed:
        if not _is_name(name):
            _refuse(at, f"has {name!r:.80} in it, which is no name")
    return tuple(dict.fromkeys(sorted(listed) if isinstance(listed, set | frozenset) else listed))


def _is_name(value: object) -> TypeGuard[str]:
    try:
        return isinstance(value, str) and bool(check_principal(value.removeprefix(GROUP)))
    except InvalidInput:
        return False


def _duration(value: object, at: str) -> timedelta:
    try:
        return duration.parse(value)
    except InvalidPolicy as error:
        _refuse(at, f"is wrong: {error.message.rstrip('.')}")


def _step(value: object, at: str) -> Step:
    read: Mapping[str, Callable[[object, str], Any]] = {
        "after": _duration,
        "to": _names,
        "priority": _priority,
        "notify": _names,
    }
    if not isinstance(value, Mapping) or "after" not in value or len(value) < 2:
        _refuse(at, "must have after, and what happens then: to, priority, notify")
    if unknown := [key for key in value if key not in read]:
        _refuse(at, f"has {unknown[0]!r:.80}; it takes {', '.join(read)}")
    return Step(**{key: read[key](part, f"{at}/{key}") for key, part in value.items()})


def _quorum(value: object, at: str) -> int:
    if type(value) is not int or not 1 <= value <= MOST_VOTES:
        _refuse(at, f"must be a number of votes, 1 to {MOST_VOTES:,}")
    return value


def _flag(value: object, at: str) -> bool:
    if not isinstance(value, bool):
        _refuse(at, "must be True or False")
    return value


def _priority(value: object, at: str) -> Priority:
    for priority in PRIORITIES:
        if value == priority:
            return priority
    _refuse(at, f"must be one of {', '.join(PRIORITIES)}")


def _by_message(value: object, at: str) -> ByMessage:
    for known in BY_MESSAGE:
        if value == known:
            return known
    _refuse(at, f"must be one of {', '.join(BY_MESSAGE)}")


def _fallback(value: object, at: str) -> Fallback:
    given = {"action": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or "action" not in given:
        _refuse(at, "must be the name of an action, or have action, values and note")
    if unknown := [key for key in given if key not in ("action", "values", "note")]:
        _refuse(at, f"has {unknown[0]!r:.80}; it takes action, values and note")
    action, values, note = (given.get(key) for key in ("action", "values", "note"))
    if not isinstance(action, str):
        _refuse(f"{at}/action", "must be a string")
    if not isinstance(values, dict | None):
        _refuse(f"{at}/values", "must be an object")
    if not isinstance(note, str | None):
        _refuse(f"{at}/note", "must be a string")
    try:
        check(values, where=f"{at}/values")
    except InvalidJSON as error:
        raise _invalid(list(error.errors)) from error
    except TooLarge:
        _refuse(f"{at}/values", "are over the limit of 1 MiB")
    return Fallback(action=action, values=values or {}, note=note)


def _calendar(value: object, at: str) -> str:
    if not isinstance(value, str) or not value.strip():
        _refuse(at, "must be the name of a calendar")
    return value


_READ: Mapping[str, Callable[[object, str], Any]] = {
    "to": _names,
    "four_eyes": _flag,
    "quorum": _quorum,
    "veto": _flag,
    "priority": _priority,
    "within": _duration,
    "remind": _list_of(_duration),
    "escalate": _list_of(_step),
    "otherwise": _fallback,
    "notify": _names,
    "sign_in_within": _duration,
    "by_message": _by_message,
    "calendar": _calendar,
}
