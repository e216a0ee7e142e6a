"""Times, states and events in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from signoff.domain.policy import Policy
from signoff.domain.principal import GROUP
from signoff.policies.book import explained
from signoff.speech import PAST as PAST
from signoff.speech import ago as ago
from signoff.speech import due as due
from signoff.speech import label as label
from signoff.speech import span as span
from signoff.text import visible

SOON = timedelta(hours=4)


def ahead(at: datetime, now: datetime) -> str:
    """How soon something comes of itself."""
    left = at - now
    return f"in {span(left)}" if left > timedelta() else "any moment"


def urgency(deadline: datetime | None, now: datetime) -> str:
    """How pressing a deadline is: `late`, `soon`, or `later`."""
    if deadline is None:
        return "none"
    if deadline <= now:
        return "late"
    return "soon" if deadline - now < SOON else "later"


def moment(at: datetime) -> str:
    """A moment as it is written where nobody knows the reader's time zone."""
    return at.strftime("%Y-%m-%d %H:%M UTC")


def time(at: datetime | None, now: datetime, style: str = "ago") -> Markup:
    """A moment as an element: in words, with the exact moment in its title."""
    if at is None:
        return Markup("")
    exact = moment(at)
    said = {"ago": ago, "due": due, "ahead": ahead}[style](at, now) if style != "moment" else exact
    return Markup(  # noqa: S704 - nothing in it is anybody's text  # nosec B704
        f'<time datetime="{at.isoformat(timespec="seconds")}" title="{exact}"'
        f' data-style="{style}">{said}</time>'
    )


def person(name: str) -> Markup:
    """A user or a group by name."""
    if name.startswith(GROUP):
        return Markup('<bdi class="group">') + visible(name.removeprefix(GROUP)) + Markup("</bdi>")
    return Markup("<bdi>") + visible(name) + Markup("</bdi>")


def people(names: Any) -> Markup:
    """Users and groups, one after the other."""
    return Markup(", ").join(map(person, names)) or escape("any reviewer")


STATES: Mapping[str, str] = {
    "open": "Open",
    "decided": "Decided",
    "expired": "Expired",
    "withdrawn": "Withdrawn",
    "superseded": "Superseded",
    "idle": "Done",
    "busy": "Running",
    "interrupted": "Waiting",
    "error": "Failed",
    "queued": "Queued",
    "running": "Running",
    "paused": "Paused",
    "succeeded": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}

_EVENTS: Mapping[str, str] = {
    "request.opened": "asked",
    "request.claimed": "claimed it",
    "request.released": "released it",
    "request.vote_taken_back": "took the vote back",
    "request.withdrawn": "withdrew it",
    "request.reminded": "reminded those who are asked",
    "request.escalated": "escalated it",
    "request.overdue": "found it overdue",
    "request.delivered": "delivered the outcome to the graph",
    "request.delivery_failed": "could not deliver the outcome",
    "request.retried": "had the outcome delivered again",
    "request.reasked": "had it asked anew",
    "request.outcome_not_used": "did not use the outcome",
    "request.revised": "showed something else: earlier votes are void",
    "request.superseded": "closed it, as the thread went on without it",
    "request.policy_reapplied": "applied another policy",
    "message.failed": "gave up telling somebody of it",
    "message.redelivered": "had somebody told of it again",
    "run.created": "started a run",
    "run.cancelled": "cancelled the run",
    "run.failed": "failed",
    "thread.created": "created the thread",
    "thread.updated": "changed the thread",
    "thread.deleted": "deleted the thread",
}


def event(entry: Mapping[str, Any]) -> Markup:
    """What happened, as the end of a sentence that begins with who did it."""
    name, data = entry["event"], entry.get("data") or {}
    match name:
        case "request.voted":
            said = _chose(data)
            return Markup("voted: {}").format(said)
        case "request.decided":
            return Markup("{}").format(_chose(data.get("outcome") or {}, past=True))
        case "request.expired":
            return Markup("let the deadline decide: {}").format(_chose(data.get("outcome") or data))
        case "request.delegated":
            return Markup("handed it on to {}").format(person(str(data.get("to"))))
        case "request.commented":
            return Markup("commented")
    return escape(_EVENTS.get(name, name.replace(".", " ").replace("_", " ")))


def remark(entry: Mapping[str, Any]) -> str | None:
    """What somebody wrote with what they did, or the error that came of it."""
    data = entry.get("data") or {}
    outcome = data.get("outcome") or {}
    for said in (data.get("text"), data.get("note"), outcome.get("note"), data.get("error")):
        if isinstance(said, str) and said.strip():
            return said
    return None


def _chose(data: Mapping[str, Any], *, past: bool = False) -> Markup:
    action = str(data.get("action") or "")
    said = PAST.get(action) if past else None
    if said is not None:
        return escape(said)
    chosen = Markup("<b>{}</b>").format(visible(label(action) if action else "an answer"))
    return Markup("chose {}").format(chosen) if past else chosen


_FIELDS: Mapping[str, str] = {
    "to": "Who may decide",
    "four_eyes": "Four eyes",
    "quorum": "Votes needed",
    "veto": "One reject closes it",
    "priority": "Priority",
    "within": "Deadline",
    "remind": "Reminders",
    "escalate": "Escalation",
    "otherwise": "At the deadline",
    "notify": "Channels",
    "sign_in_within": "Signed in",
    "by_message": "From a message",
    "calendar": "Calendar",
}


def policy_lines(policy: Policy) -> list[tuple[str, Markup, str]]:
    """Each field of a policy in words, its value, and where that comes from; what was set first."""
    lines = []
    for each in sorted(explained(policy), key=lambda each: each.field not in policy.sources):
        lines.append((_FIELDS.get(each.field, each.field), _value(each.field, policy), each.source))
    return lines


def _value(name: str, policy: Policy) -> Markup:
    value = getattr(policy, name)
    match name:
        case "to":
            return people(value)
        case "within":
            return escape(f"within {span(value)}" if value is not None else "none")
        case "sign_in_within":
            if value is None:
                return escape("at any time")
            return escape(f"no longer than {span(value)} ago")
        case "by_message":
            said = {"yes": "by its link", "sign_in": "after signing in", "no": "no"}
            return escape(said[value])
        case "remind":
            return escape(", ".join(f"after {span(each)}" for each in value) or "none")
        case "escalate":
            steps = [
                Markup("after {}{}{}").format(
                    span(step.after),
                    Markup(" to {}").format(people(step.to)) if step.to else "",
                    f", {step.priority}" if step.priority else "",
                )
                for step in value
            ]
            return Markup("; ").join(steps) or escape("none")
        case "otherwise":
            if value is None:
                return escape("stays open, and is shown as overdue")
            return visible(label(value.action))
        case "notify":
            return visible(", ".join(value) or "none")
    if isinstance(value, bool):
        return escape("yes" if value else "no")
    return visible("none" if value is None else value)


def pretty(value: Any) -> str:
    """JSON as a text of several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False)
