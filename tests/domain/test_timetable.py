"""When a request is looked at, and what is due when somebody looks late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from signoff.domain.calendar import Calendar, Hours
from signoff.domain.policy import CALL, Policy
from signoff.domain.timetable import Moment, MomentKind, deadline, due, moments, next_wake

HOUR = timedelta(hours=1)
OPENED = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday


def policy(**given):
    return Policy.read(given, source=CALL)


def plan(given, calendar=None):
    """The timetable as kinds, positions and hours from the opening."""
    found = moments(given, OPENED, calendar)
    return [(each.kind.value, each.step, (each.at - OPENED) / HOUR) for each in found]


FULL = policy(
    within="24h",
    remind=["12h", "4h", "20h"],
    escalate=[{"after": "22h", "to": "c"}, {"after": "12h", "to": "b"}],
    otherwise="reject",
)


def test_moments_come_in_order():
    assert plan(FULL) == [
        ("remind", 1, 4),
        ("escalate", 1, 12),
        ("remind", 0, 12),
        ("remind", 2, 20),
        ("escalate", 0, 22),
        ("expire", 0, 24),
    ]
    assert plan(policy()) == []
    assert deadline(moments(FULL, OPENED)) == OPENED + 24 * HOUR
    assert deadline(moments(policy(remind="1h"), OPENED)) is None


def test_at_the_deadline_it_is_escalated_first_and_nobody_is_reminded_of_what_closes():
    at_once = {"within": "1h", "remind": "1h", "escalate": {"after": "1h", "to": "b"}}
    assert plan(policy(**at_once, otherwise="reject")) == [("escalate", 0, 1), ("expire", 0, 1)]
    assert plan(policy(**at_once)) == [("escalate", 0, 1), ("remind", 0, 1), ("expire", 0, 1)]


def test_what_comes_after_a_deadline_that_closes_is_left_out():
    late = {"within": "1h", "remind": "2h", "escalate": {"after": "3h", "to": "b"}}
    assert plan(policy(**late, otherwise="reject")) == [("expire", 0, 1)]
    assert plan(policy(**late)) == [("expire", 0, 1), ("remind", 0, 2), ("escalate", 0, 3)]


def test_with_a_calendar_working_time_counts():
    office = Calendar(
        name="office",
        timezone=ZoneInfo("UTC"),
        hours={day: (Hours(9 * HOUR, 17 * HOUR),) for day in range(5)},
    )
    assert plan(FULL, office) == [
        ("remind", 1, 4),
        ("escalate", 1, 28),
        ("remind", 0, 28),
        ("remind", 2, 52),
        ("escalate", 0, 54),
        ("expire", 0, 56),
    ]


def test_without_a_calendar_a_day_is_24_hours_whatever_clocks_do():
    berlin = ZoneInfo("Europe/Berlin")
    opened = datetime(2026, 3, 28, 12, tzinfo=berlin)
    [expire] = moments(policy(within="24h"), opened)
    assert expire.at == datetime(2026, 3, 29, 13, tzinfo=berlin)


def passed(timetable, until):
    return tuple(
        Moment(kind=m.kind, at=m.at, step=m.step, passed_at=until if m.at <= until else None)
        for m in timetable
    )


def test_the_next_wake_is_the_first_moment_that_has_not_passed():
    timetable = moments(FULL, OPENED)
    assert next_wake(timetable) == OPENED + 4 * HOUR
    assert next_wake(passed(timetable, OPENED + 12 * HOUR)) == OPENED + 20 * HOUR
    assert next_wake(passed(timetable, OPENED + 24 * HOUR)) is None
    assert next_wake(()) is None


def test_however_late_there_is_one_reminder_and_every_escalation_in_order():
    timetable = moments(FULL, OPENED)

    def late(now, table=timetable):
        return [(each.kind.value, each.step) for each in due(table, OPENED + now * HOUR)]

    assert late(3.9) == []
    assert late(4) == [("remind", 1)]
    assert late(13) == [("escalate", 1), ("remind", 0)]
    assert late(23) == [("escalate", 1), ("remind", 2), ("escalate", 0)]
    assert late(9000) == [("escalate", 1), ("remind", 2), ("escalate", 0), ("expire", 0)]
    assert late(23, passed(timetable, OPENED + 20 * HOUR)) == [("escalate", 0)]


def test_a_moment_reads_back_as_it_was_written():
    for moment in [
        Moment(kind=MomentKind.REMIND, at=OPENED, step=3),
        Moment(kind=MomentKind.EXPIRE, at=OPENED, passed_at=OPENED + HOUR),
    ]:
        assert Moment.from_json(moment.to_json()) == moment
