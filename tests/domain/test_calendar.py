"""Business time, over everything that clocks and years do."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signoff.domain.calendar import Calendar, Hours
from signoff.domain.errors import InvalidPolicy

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # puts its clocks forward by half an hour
APIA = ZoneInfo("Pacific/Apia")  # had no 30 December 2011
SANTIAGO = ZoneInfo("America/Santiago")  # puts its clocks forward at midnight


def hours(*stretches: tuple[float, float]) -> tuple[Hours, ...]:
    return tuple(Hours(HOUR * start, HOUR * end) for start, end in stretches)


def calendar(zone=BERLIN, *stretches: tuple[float, float], days=range(5), **more) -> Calendar:
    stretches = stretches or ((9, 17),)
    week = {day: hours(*stretches) for day in days}
    return Calendar(name="office", timezone=zone, hours=week, **more)


def local(text: str, zone=BERLIN) -> datetime:
    """A moment by the clock on the wall; `+1` after it means the second time it shows that."""
    moment, _, fold = text.partition("+")
    return datetime.fromisoformat(moment).replace(tzinfo=zone, fold=int(fold or 0)).astimezone(UTC)


# Monday, 2 March 2026, is an ordinary working day.


@pytest.mark.parametrize(
    ("start", "worked", "end"),
    [
        ("2026-03-02T10:00", 2 * HOUR, "2026-03-02T12:00"),
        ("2026-03-02T09:00", 8 * HOUR, "2026-03-02T17:00"),  # the end of the day, not the next
        ("2026-03-02T16:00", 2 * HOUR, "2026-03-03T10:00"),
        ("2026-03-02T17:00", MINUTE, "2026-03-03T09:01"),
        ("2026-03-02T03:00", HOUR, "2026-03-02T10:00"),
        ("2026-03-06T16:00", 2 * HOUR, "2026-03-09T10:00"),  # over a weekend
        ("2026-03-07T12:00", HOUR, "2026-03-09T10:00"),  # from within it
        ("2026-03-02T09:00", 40 * HOUR, "2026-03-06T17:00"),
        ("2026-03-02T12:00", timedelta(0), "2026-03-02T12:00"),
        ("2026-03-07T12:00", timedelta(0), "2026-03-07T12:00"),
    ],
)
def test_only_working_hours_count(start, worked, end):
    office = calendar()
    assert office.add(local(start), worked) == local(end)
    assert office.between(local(start), local(end)) == worked
    assert office.between(local(end), local(start)) == -worked


def test_moments_are_in_utc():
    end = calendar().add(local("2026-03-02T10:00"), HOUR)
    assert (end, end.tzinfo) == (datetime(2026, 3, 2, 10, tzinfo=UTC), UTC)


def test_a_day_may_have_breaks_and_days_may_differ():
    week = {0: hours((9, 12), (13, 17)), 4: hours((9, 12))}
    office = Calendar(name="shop", timezone=BERLIN, hours=week)
    assert office.add(local("2026-03-02T11:00"), 2 * HOUR) == local("2026-03-02T14:00")
    assert office.add(local("2026-03-02T16:00"), 2 * HOUR) == local("2026-03-06T10:00")
    assert office.add(local("2026-03-02T09:00"), 3 * HOUR) == local("2026-03-02T12:00")


def test_nobody_works_on_holidays_and_special_days_have_hours_of_their_own():
    office = calendar(
        holidays={date(2026, 12, 24), date(2026, 12, 25), date(2027, 1, 1)},
        special={date(2026, 12, 24): hours((9, 12)), date(2026, 12, 26): hours((10, 11))},
    )
    start = local("2026-12-23T16:00")  # a Wednesday
    assert office.add(start, 4 * HOUR) == local("2026-12-24T12:00")
    assert office.add(start, 5 * HOUR) == local("2026-12-26T11:00")  # a Saturday
    assert office.add(start, 6 * HOUR) == local("2026-12-28T10:00")
    closed = calendar(special={date(2026, 3, 3): ()})
    assert closed.add(local("2026-03-02T16:00"), 2 * HOUR) == local("2026-03-04T10:00")


def test_a_leap_day_is_a_day():
    office = calendar()
    assert date(2028, 2, 29).weekday() == 1
    assert office.add(local("2028-02-28T16:00"), 10 * HOUR) == local("2028-03-01T10:00")
    assert office.add(local("2027-02-26T16:00"), 2 * HOUR) == local("2027-03-01T10:00")


# --- clock changes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "friday", "monday"),
    [
        (BERLIN, "2026-03-27T16:00", "2026-03-30T10:00"),
        (BERLIN, "2026-10-23T16:00", "2026-10-26T10:00"),
        (NEW_YORK, "2026-03-06T16:00", "2026-03-09T10:00"),
        (NEW_YORK, "2026-10-30T16:00", "2026-11-02T10:00"),
        (LORD_HOWE, "2026-04-03T16:00", "2026-04-06T10:00"),
        (LORD_HOWE, "2026-10-02T16:00", "2026-10-05T10:00"),
    ],
)
def test_hours_stay_where_the_clock_on_the_wall_has_them(zone, friday, monday):
    start, end = local(friday, zone), local(monday, zone)
    assert start.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset()
    assert calendar(zone).add(start, 2 * HOUR) == end


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        (BERLIN, "2026-03-29", 23 * HOUR),
        (BERLIN, "2026-10-25", 25 * HOUR),
        (NEW_YORK, "2026-03-08", 23 * HOUR),
        (NEW_YORK, "2026-11-01", 25 * HOUR),
        (LORD_HOWE, "2026-04-05", 24.5 * HOUR),
        (LORD_HOWE, "2026-10-04", 23.5 * HOUR),
        (SANTIAGO, "2026-09-06", 23 * HOUR),
        (SANTIAGO, "2026-04-04", 25 * HOUR),
        (APIA, "2011-12-30", timedelta(0)),
        (APIA, "2011-12-31", 24 * HOUR),
        (ZoneInfo("Asia/Kathmandu"), "2026-03-29", 24 * HOUR),
    ],
)
def test_a_day_is_as_long_as_it_really_is(zone, day, length):
    always = calendar(zone, (0, 24), days=range(7))
    that = date.fromisoformat(day)
    week = {(that.weekday() + 4) % 7: hours((0, 1))}
    only = Calendar(name="x", timezone=zone, hours=week, special={that: hours((0, 24))})
    begin = local(day, UTC)  # any zone's day is within two days around it
    assert always.between(begin - 2 * DAY, begin + 3 * DAY) == 5 * DAY
    assert only.between(begin - 2 * DAY, begin + 3 * DAY) == length


def test_the_hour_that_clocks_skip_does_not_count():
    night = calendar(BERLIN, (1, 4), days=range(7))
    assert night.add(local("2026-03-29T01:00"), 2 * HOUR) == local("2026-03-29T04:00")
    assert night.between(local("2026-03-29T00:00"), local("2026-03-29T12:00")) == 2 * HOUR


def test_the_hour_that_comes_twice_counts_twice():
    night = calendar(BERLIN, (1, 4), days=range(7))
    assert night.add(local("2026-10-25T01:00"), 3 * HOUR) == local("2026-10-25T03:00")
    assert night.add(local("2026-10-25T01:30"), HOUR) == local("2026-10-25T02:30")
    assert night.add(local("2026-10-25T01:30"), 2 * HOUR) == local("2026-10-25T02:30+1")


@pytest.mark.parametrize("start", [2, 2.25, 2.5, 2.75])
def test_hours_that_begin_while_clocks_are_put_forward_begin_with_the_change(start):
    early = calendar(BERLIN, (start, 5), days=range(7))
    assert early.add(local("2026-03-29T00:00"), HOUR) == local("2026-03-29T04:00")


def test_hours_that_lie_in_what_clocks_skip_are_lost_and_none_are_doubled():
    half = calendar(LORD_HOWE, (2, 2.25), (2.25, 3), days=range(7))
    midnight = local("2026-10-04", LORD_HOWE)  # 2:00 is followed by 2:30
    assert half.between(midnight, midnight + DAY) == 30 * MINUTE
    assert half.add(midnight, 15 * MINUTE) == local("2026-10-04T02:45", LORD_HOWE)
    twice = calendar(BERLIN, (1, 2.5), (2.5, 4), days=range(7))
    assert twice.between(local("2026-10-25"), local("2026-10-26")) == 4 * HOUR


# --- long ones ---------------------------------------------------------------------------------


def test_a_year_of_working_days_is_counted_out():
    office = calendar(holidays={date(2026, 12, 25)})
    # 52 weeks have 260 such days, one of them Christmas.
    start, end = local("2026-03-02T09:00"), local("2027-02-26T17:00")
    assert office.between(start, end) == 259 * 8 * HOUR
    assert office.add(start, 259 * 8 * HOUR) == end


def test_a_year_takes_about_a_millisecond():
    office, start = calendar(), local("2026-03-02T09:00")
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        office.add(start, 260 * 8 * HOUR)
        took.append(time.perf_counter() - begin)
    assert min(took) < 0.01  # 0.0004 on an idle machine


def test_a_calendar_without_working_time_is_refused():
    with pytest.raises(InvalidPolicy, match="calendar office has no working time at all"):
        calendar(days=())
    with pytest.raises(InvalidPolicy, match="no working time"):
        Calendar(
            name="x", timezone=BERLIN, hours={0: ()}, special={date(2026, 1, 1): hours((1, 2))}
        )


def test_a_deadline_that_never_comes_is_refused():
    class Always:
        def __contains__(self, day: object) -> bool:
            return True

    begin = time.perf_counter()
    with pytest.raises(InvalidPolicy, match="too little working time"):
        calendar(holidays=Always()).add(local("2026-03-02"), HOUR)
    with pytest.raises(InvalidPolicy, match="too little working time"):
        calendar().add(local("9999-12-20"), 100 * HOUR)
    assert time.perf_counter() - begin < 5
    assert calendar(holidays=Always()).between(local("2026-03-02"), local("2050-01-01")) == 0 * HOUR


@pytest.mark.parametrize("stretch", [(9, 9), (17, 9), (-1, 3), (9, 24.5)])
def test_hours_end_after_they_start_within_a_day(stretch):
    with pytest.raises(InvalidPolicy, match="end after they start, within one day"):
        hours(stretch)


def test_hours_do_not_overlap():
    with pytest.raises(InvalidPolicy, match="overlap"):
        calendar(BERLIN, (9, 13), (12, 17))
    with pytest.raises(InvalidPolicy, match="overlap"):
        calendar(BERLIN, (13, 17), (9, 12))


def test_a_time_without_a_zone_is_a_bug():
    with pytest.raises(ValueError, match="no time zone"):
        calendar().add(datetime(2026, 3, 2), HOUR)
    with pytest.raises(ValueError, match="only ever added"):
        calendar().add(local("2026-03-02"), -HOUR)


# --- laws --------------------------------------------------------------------------------------

zones = st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, SANTIAGO, APIA, UTC])
starts = st.datetimes(datetime(2009, 1, 1), datetime(2031, 1, 1), timezones=zones).map(
    lambda moment: moment.replace(microsecond=0)
)
durations = st.timedeltas(timedelta(0), timedelta(days=40)).map(lambda d: d // MINUTE * MINUTE)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    marks = st.lists(st.integers(0, 96), min_size=2, max_size=6, unique=True).map(sorted)

    def day() -> tuple[Hours, ...]:
        found = draw(marks)
        pairs = zip(found[::2], found[1::2], strict=False)
        return hours(*((start / 4, end / 4) for start, end in pairs))

    week = {weekday: day() for weekday in draw(st.sets(st.integers(0, 6), min_size=1))}
    # Holidays where clocks change, and around them.
    days = st.dates(date(2026, 3, 25), date(2026, 4, 6)) | st.dates(date(2026, 10, 1))
    return Calendar(
        name="any",
        timezone=draw(zones),
        hours=week,
        holidays=draw(st.frozensets(days, max_size=3)),
        special={each: day() for each in draw(st.sets(days, max_size=2))},
    )


@given(calendars(), starts, durations)
@example(calendar(APIA, (0, 24), days=range(7)), local("2011-12-29", APIA), 2 * DAY)
def test_what_was_added_lies_between(any_calendar, start, duration):
    end = any_calendar.add(start, duration)
    assert end >= start
    assert any_calendar.between(start, end) == duration
    if duration:  # and it is the first such moment: right before it, it is not all yet
        second = timedelta(seconds=1)
        assert any_calendar.between(start, end - second) == duration - second


@given(calendars(), starts, st.timedeltas(timedelta(0), timedelta(days=30)))
def test_the_time_between_leads_back_to_the_end_of_the_work(any_calendar, start, span):
    end = start.astimezone(UTC) + span
    worked = any_calendar.between(start, end)
    assert timedelta(0) <= worked <= span
    reached = any_calendar.add(start, worked)
    assert reached <= end
    assert any_calendar.between(reached, end) == timedelta(0)


@given(calendars(), starts, durations, durations)
def test_two_times_one_after_the_other_are_their_sum(any_calendar, start, one, two):
    at_once = any_calendar.add(start, one + two)
    assert any_calendar.add(any_calendar.add(start, one), two) == at_once
    assert any_calendar.add(start, one) <= at_once


@given(zones, starts, durations)
def test_a_calendar_that_is_always_open_counts_all_time(zone, start, duration):
    always = calendar(zone, (0, 6), (6, 24), days=range(7))
    assert always.add(start, duration) == start.astimezone(UTC) + duration
