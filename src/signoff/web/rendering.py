"""Templates: how pages are put together. Everything in them is escaped unless it is markup."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request

from signoff.authentication import NEW_SESSION
from signoff.domain.principal import Role
from signoff.text import plainly, visible
from signoff.web import csrf, static, words
from signoff.web.who import to_act_as


def render(template: str, visited: Request, /, *, base: str, by: str | None, **shown: Any) -> str:
    """A template with what it shows, and what all of them may need."""
    now: datetime = visited.app.state.desk.office.now()
    path = visited.url.path
    return (
        _environment()
        .get_template(template)
        .render(
            base=base,
            by=by,
            now=now,
            here=path + (f"?{visited.url.query}" if visited.url.query else ""),
            csrf_token=csrf.token(visited),
            to_act_as=to_act_as(visited),
            signed_in=NEW_SESSION in visited.scope,
            is_operator=_is_operator(visited),
            moment_of=lambda entry: words.time(datetime.fromisoformat(entry["at"]), now),
            asset=lambda name: f"{base}/{static.path_of(name)}",
            **shown,
        )
    )


def _is_operator(visited: Request) -> bool:
    """Whether whoever looks sees to it that things go on."""
    visit = visited.scope.get(VISIT)
    return visit is not None and visit.principal.role.includes(Role.OPERATOR)


VISIT = "signoff.visit"
"""Where a request has who looks."""


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("signoff.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "visible": visible,
        "plainly": plainly,
        "label": words.label,
        "person": words.person,
        "people": words.people,
        "span": words.span,
        "segment": lambda text: quote(str(text), safe=""),
        "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    }
    made.globals |= {
        "time": words.time,
        "due": words.due,
        "urgency": words.urgency,
        "event": words.event,
        "remark": words.remark,
        "states": words.STATES,
        "past": words.PAST,
        "query": query,
        "system": "system",
    }
    return made


def query(**fields: Any) -> str:
    """A query string of those fields that have a value, with its question mark."""
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""
