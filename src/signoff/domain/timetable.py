"""When a request is looked at again: reminders, escalations and its deadline, planned ahead.

The timetable of a request is made once, when it is opened, and kept with it: a change of the
policy file, of a calendar or of a country's holidays moves nothing that was promised already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from signoff.domain.calendar import Calendar, utc
from signoff.domain.policy import Policy


class MomentKind(StrEnum):
    """What happens at a moment, in the order in which it does where moments coincide.

    Whom an escalation adds is reminded too, and a request that expires was escalated before.
    """

    ESCALATE = "escalate"
    REMIND = "remind"
    EXPIRE = "expire"


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """Something that happens to an open request, once.

    `step` is its position in the policy's `escalate` or `remind`. `passed_at` is when it was
    done, or left out as a later one did for it.
    """

    kind: MomentKind
    at: datetime
    step: int = 0
    passed_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The moment as it is stored, and users see it."""
        passed_at = None if self.passed_at is None else self.passed_at.isoformat()
        at = self.at.isoformat()
        return {"kind": self.kind.value, "at": at, "step": self.step, "passed_at": passed_at}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Moment:
        """The moment that `to_json` wrote."""
        passed_at = data["passed_at"]
        return cls(
            kind=MomentKind(data["kind"]),
            at=datetime.fromisoformat(data["at"]),
            step=data["step"],
            passed_at=None if passed_at is None else datetime.fromisoformat(passed_at),
        )


def moments(
    policy: Policy, opened_at: datetime, calendar: Calendar | None = None
) -> tuple[Moment, ...]:
    """The timetable of a request opened at that moment, in working time if there is a calendar.

    Ordered by time. If the deadline closes the request, reminders come before it, and escalations
    before it or with it: what else layers of policies may have brought together is left out.
    Without a fallback the request stays open, so that later moments are of use.

    Raises:
        InvalidPolicy: The calendar has too little working time.
    """

    def after(duration: timedelta) -> datetime:
        return utc(opened_at) + duration if calendar is None else calendar.add(opened_at, duration)

    def planned() -> Iterator[Moment]:
        for n, step in enumerate(policy.escalate):
            if last is None or step.after <= last:
                yield Moment(kind=MomentKind.ESCALATE, at=after(step.after), step=n)
        for n, duration in enumerate(policy.remind):
            if last is None or duration < last:
                yield Moment(kind=MomentKind.REMIND, at=after(duration), step=n)
        if policy.within is not None:
            yield Moment(kind=MomentKind.EXPIRE, at=after(policy.within))

    last = policy.within if policy.otherwise is not None else None
    # The sort is stable: what coincides stays in the order of the kinds.
    return tuple(sorted(planned(), key=lambda moment: moment.at))


def deadline(timetable: Iterable[Moment]) -> datetime | None:
    """When a request with this timetable is due."""
    return next((each.at for each in timetable if each.kind is MomentKind.EXPIRE), None)


def next_wake(timetable: Iterable[Moment]) -> datetime | None:
    """When an open request is to be looked at next; None: never by itself."""
    return min((each.at for each in timetable if each.passed_at is None), default=None)


def due(timetable: Sequence[Moment], now: datetime) -> tuple[Moment, ...]:
    """What is to be done by now, in order.

    However late it is, there is one reminder, the last; all escalations; then the deadline.
    """
    late = [each for each in timetable if each.passed_at is None and each.at <= now]
    reminders = [each for each in late if each.kind is MomentKind.REMIND]
    return tuple(each for each in late if each not in reminders[:-1])
