"""Users as people write them in `[[user]]` tables of `signoff.toml`.

    [[user]]
    name = "jane@firm.com"
    groups = ["legal"]
    email = "jane@firm.com"
    role = "operator"
    graphs = ["contracts"]
    apprise = ["slack://${SLACK_TOKEN}/#legal"]
    notify = ["email", "slack"]
    quiet = "20:00-07:00"
    digest = "daily 08:00"
    timezone = "Europe/Berlin"
    away = [{ from = 2026-12-21, until = 2027-01-03, substitute = "tom@firm.com" }]

What there is to say about notifications is that of `signoff.project.preferences`. A `${NAME}` in an
address is an environment variable of whoever sends: so the address holds no secret where it is
kept.

Dates are days in the user's time zone, UTC unless it is given; `until` is the last day away. What
has an offset, such as 2026-12-21T12:00:00+01:00, is taken as the moment that it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, NoReturn

from signoff.domain.address import HOSTED, SERVICES, channel_of, mailbox
from signoff.domain.errors import FieldError, InvalidInput, InvalidPolicy
from signoff.domain.jsontext import pointer
from signoff.domain.preferences import BY_DEFAULT, FIELDS
from signoff.domain.principal import GROUP, KEY, Role, check_principal
from signoff.domain.user import Absence, User
from signoff.project import preferences as wishes

_AWAY = ("from", "until", "substitute")


def read(table: Mapping[str, object]) -> User:
    """The user of a table.

    Raises:
        InvalidPolicy: It makes none; an error points at each place of the table that is wrong.
    """
    values: dict[str, Any] = {"timezone": UTC}
    errors = [] if "name" in table else [FieldError("/name", "is missing")]
    for key, value in table.items():
        try:
            values[key] = _READ.get(key, _unknown)(value, pointer(key))
        except InvalidPolicy as error:
            errors += error.errors
    preferences = BY_DEFAULT
    try:
        preferences = wishes.read({key: table[key] for key in FIELDS if key in table})
    except InvalidPolicy as error:
        errors += error.errors
    absences: tuple[Absence, ...] = ()
    try:
        absences = _absences(table.get("away", []), "/away", values["timezone"])
    except InvalidPolicy as error:
        errors += error.errors
    for n, absence in enumerate(absences):
        if absence.substitute == values.get("name"):
            errors.append(FieldError(f"/away/{n}/substitute", "is the user who is away"))
    if errors:
        said = "; ".join(f"{e.pointer[1:].replace('/', '.')} {e.message}" for e in errors)
        raise InvalidPolicy(f"user: {said}", errors)
    return User(
        name=values["name"],
        groups=values.get("groups", ()),
        email=values.get("email"),
        absences=absences,
        role=values.get("role", Role.REVIEWER),
        graphs=values.get("graphs"),
        addresses=values.get("apprise", ()),
        preferences=preferences,
    )


def _refuse(at: str, message: str) -> NoReturn:
    raise InvalidPolicy(message, [FieldError(at, message)])


def _unknown(value: object, at: str) -> NoReturn:
    _refuse(at, f"is not known here; a user has {', '.join(_READ)}")


def _name(value: object, at: str) -> str:
    try:
        if isinstance(value, str):
            return check_principal(value)
    except InvalidInput:
        pass
    _refuse(at, f"is {value!r:.80}, which is no name")


def _user(value: object, at: str) -> str:
    name = _name(value, at)
    if name.startswith(KEY):
        _refuse(at, f"is {value!r:.80}, which is the name of an API key")
    return name


def _role(value: object, at: str) -> Role:
    try:
        return Role(value)  # type: ignore[arg-type]
    except ValueError:
        _refuse(at, f"is {value!r:.80}; it is one of {', '.join(Role)}")


def _graphs(value: object, at: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        _refuse(at, 'must be a list of graphs, such as ["contracts"]')
    return tuple(dict.fromkeys(value))


def _groups(value: object, at: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        _refuse(at, 'must be a list of groups, such as ["legal"]')
    names = (each.removeprefix(GROUP) if isinstance(each, str) else each for each in value)
    return tuple(dict.fromkeys(_name(name, f"{at}/{n}") for n, name in enumerate(names)))


def _email(value: object, at: str) -> str:
    found = mailbox(value) if isinstance(value, str) else None
    if found is None or found[1] != value:
        _refuse(at, "must be an e-mail address")
    return value


def _timezone(value: object, at: str) -> tzinfo:
    try:
        return wishes.timezone(value, at)
    except InvalidPolicy:
        return UTC  # said once, by the preferences


def _addresses(value: object, at: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        _refuse(at, 'must be a list of addresses, such as ["slack://${SLACK_TOKEN}/#legal"]')
    for n, each in enumerate(listed):
        try:
            channel_of(each)
        except (TypeError, ValueError):
            # Never the address itself: it may hold a secret.
            _refuse(
                f"{at}/{n}",
                f"is no address that people are reached at: it begins with one of "
                f"{', '.join(f'{scheme}://' for scheme in sorted(SERVICES | HOSTED))}",
            )
    return tuple(dict.fromkeys(listed))


def _absences(value: object, at: str, timezone: tzinfo) -> tuple[Absence, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(_absence(each, f"{at}/{n}", timezone) for n, each in enumerate(listed))


def _absence(value: object, at: str, timezone: tzinfo) -> Absence:
    if not isinstance(value, Mapping) or "substitute" not in value:
        _refuse(at, "must have a substitute, and from, until or both")
    if unknown := [key for key in value if key not in _AWAY]:
        _refuse(at, f"has {unknown[0]!r:.80}; it takes {', '.join(_AWAY)}")
    since, until = (
        None if key not in value else _moment(value[key], f"{at}/{key}", timezone, days)
        for key, days in (("from", 0), ("until", 1))
    )
    if since is not None and until is not None and until <= since:
        _refuse(f"{at}/until", "comes before from")
    return Absence(
        substitute=_name(value["substitute"], f"{at}/substitute"), since=since, until=until
    )


def _moment(value: object, at: str, timezone: tzinfo, days: int) -> datetime:
    """A moment in UTC; a date stands for the beginning of the day so many `days` later."""
    try:
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC)
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value + timedelta(days), time(), timezone).astimezone(UTC)
    except OverflowError:
        _refuse(at, f"is {value}, which is beyond the calendar")
    _refuse(at, "must be a date such as 2026-12-21, or a date and time with its offset")


_READ: Mapping[str, Callable[[Any, str], Any]] = {
    "name": _user,
    "groups": _groups,
    "email": _email,
    "role": _role,
    "graphs": _graphs,
    "apprise": _addresses,
    **dict.fromkeys(FIELDS, lambda value, _: value),
    "timezone": _timezone,
    "away": lambda value, _: value,
}
