"""Webhooks as people write them in `[[webhook]]` tables of `signoff.toml`.

[[webhook]]
name = "crm"
url = "https://crm.firm.com/hooks/signoff"
secrets = ["env:CRM_SECRET"]            # or "whsec_..."; several while one takes over
events = ["opened", "decided"]          # all, unless given
graphs = ["contracts"]                  # all, unless given
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from signoff.domain.errors import FieldError, InvalidPolicy
from signoff.domain.jsontext import pointer
from signoff.domain.notification import Occasion
from signoff.domain.webhook import VARIABLE, Webhook, secret_problem, url_problem

PREFIX = "request."
"""What the type of an event begins with; it may be left out."""

NEEDED = ("name", "url", "secrets")


def read(table: Mapping[str, object]) -> Webhook:
    """The webhook of a table.

    Raises:
        InvalidPolicy: It makes none; an error points at each place of the table that is wrong.
    """
    errors = [FieldError(pointer(key), "is missing") for key in NEEDED if key not in table]
    values: dict[str, Any] = {}
    for key, value in table.items():
        try:
            values[key] = _READ.get(key, _unknown)(value, pointer(key))
        except InvalidPolicy as error:
            errors += error.errors
    if errors:
        said = "; ".join(f"{e.pointer[1:].replace('/', '.')} {e.message}" for e in errors)
        raise InvalidPolicy(f"webhook: {said}", errors)
    return Webhook(
        name=values["name"],
        url=values["url"],
        secrets=values["secrets"],
        occasions=values.get("events", frozenset(Occasion)),
        graphs=values.get("graphs"),
    )


def _refuse(at: str, message: str) -> NoReturn:
    raise InvalidPolicy(message, [FieldError(at, message)])


def _unknown(value: object, at: str) -> NoReturn:
    _refuse(at, f"is not known here; a webhook has {', '.join(_READ)}")


def _name(value: object, at: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.-]{1,100}", value):
        _refuse(at, "must be a name of letters, digits and . _ -")
    return value


def _url(value: object, at: str) -> str:
    if not isinstance(value, str):
        _refuse(at, "must be an address, such as https://example.com/hook")
    if (problem := url_problem(value)) is not None:
        _refuse(at, problem)
    return value


def _secrets(value: object, at: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        _refuse(at, f'must be a list of secrets, such as ["{VARIABLE}WEBHOOK_SECRET"]')
    for n, each in enumerate(listed):
        where = f"{at}/{n}" if listed is value else at
        if not isinstance(each, str):
            _refuse(where, "must be a text")
        if each.startswith(VARIABLE):
            if not re.fullmatch(r"[A-Za-z_]\w*", each.removeprefix(VARIABLE), re.ASCII):
                _refuse(where, f"must name a variable of the environment: {VARIABLE}NAME")
        elif (problem := secret_problem(each)) is not None:
            _refuse(where, problem)
    return tuple(dict.fromkeys(listed))


def _events(value: object, at: str) -> frozenset[Occasion]:
    if not isinstance(value, list) or not value:
        _refuse(at, 'must be a list of events, such as ["opened", "decided"]')
    found = set()
    for n, each in enumerate(value):
        try:
            found.add(Occasion(each.removeprefix(PREFIX) if isinstance(each, str) else each))
        except ValueError:
            _refuse(f"{at}/{n}", f"is {each!r:.80}; it is one of {', '.join(Occasion)}")
    return frozenset(found)


def _graphs(value: object, at: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        _refuse(at, 'must be a list of graphs, such as ["contracts"]')
    return frozenset(value)


_READ: Mapping[str, Callable[[Any, str], Any]] = {
    "name": _name,
    "url": _url,
    "secrets": _secrets,
    "events": _events,
    "graphs": _graphs,
}
