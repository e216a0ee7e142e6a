"""Calendars as they are written in `signoff.toml`."""

from __future__ import annotations

import tomllib
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from signoff.domain.calendar import Calendar, Hours
from signoff.domain.errors import InvalidPolicy
from signoff.project import calendars

HOUR = timedelta(hours=1)
DAY = (Hours(9 * HOUR, 17 * HOUR),)


def read(text: str) -> Calendar:
    return calendars.read(tomllib.loads(text))


def refused(text: str) -> dict[str, str]:
    with pytest.raises(InvalidPolicy) as error:
        read(text)
    return {each.pointer: each.message for each in error.value.errors}


MUNICH = """
name = "munich"
timezone = "Europe/Berlin"
hours = "mon-thu 09:00-12:00 13:00-17:00, fri 9:00-13:00"
holidays = { country = "DE", subdivision = "BY" }
closed = [2026-12-31, "2027-01-04"]
special = { 2026-12-24 = "09:00-12:00", "2026-12-26" = ["10:00-11:00"] }
"""


def test_a_calendar_has_hours_holidays_and_days_of_its_own():
    munich = read(MUNICH)
    assert (munich.name, munich.timezone) == ("munich", ZoneInfo("Europe/Berlin"))
    long = (Hours(9 * HOUR, 12 * HOUR), Hours(13 * HOUR, 17 * HOUR))
    assert munich.hours == {**dict.fromkeys(range(4), long), 4: (Hours(9 * HOUR, 13 * HOUR),)}
    assert munich.special[date(2026, 12, 31)] == munich.special[date(2027, 1, 4)] == ()
    assert munich.special[date(2026, 12, 24)] == (Hours(9 * HOUR, 12 * HOUR),)
    assert date(2026, 12, 25) in munich.holidays


@pytest.mark.parametrize(
    ("country", "closed", "open_"),
    [
        ('country = "DE", subdivision = "BY"', "2031-01-06", "2031-01-07"),  # Epiphany
        ('country = "DE", subdivision = "BE"', "2031-03-08", "2031-01-06"),
        ('country = "US"', "2027-07-05", "2027-07-06"),  # the 4th is a Sunday
        ('country = "DE"', "2048-04-06", "2048-04-05"),  # Easter, computed
    ],
)
def test_public_holidays_are_those_of_the_place_in_any_year(country, closed, open_):
    text = f'name = "x"\ntimezone = "UTC"\nhours = "mon-sun 00:00-24:00"\nholidays = {{{country}}}'
    days = read(text).holidays
    assert date.fromisoformat(closed) in days
    assert date.fromisoformat(open_) not in days


def test_time_goes_on_after_the_holidays():
    munich, berlin = read(MUNICH), ZoneInfo("Europe/Berlin")
    start = datetime(2026, 12, 23, 16, tzinfo=berlin)
    assert munich.add(start, 4 * HOUR) == datetime(2026, 12, 24, 12, tzinfo=berlin)
    assert munich.add(start, 6 * HOUR) == datetime(2026, 12, 28, 10, tzinfo=berlin)


@pytest.mark.parametrize(
    ("hours", "days"),
    [
        ('"mon-fri 09:00-17:00"', "01234"),
        ('"MON 09:00 - 17:00"'.replace(" - ", "-"), "0"),
        ('"sat-sun 09:00-17:00"', "56"),
        ('"fri-mon 09:00-17:00"', "4560"),
        ('{ mon = "09:00-17:00", "wed-thu" = ["09:00-17:00"], fri = [] }', "023"),
    ],
)
def test_hours_are_written_in_one_line_or_by_day(hours, days):
    week = read(f'name = "x"\ntimezone = "UTC"\nhours = {hours}').hours
    assert {day for day, each in week.items() if each == DAY} == set(map(int, days))


@pytest.mark.parametrize(
    ("hours", "at", "said"),
    [
        ("3", "/hours", 'must be such as "mon-fri 09:00-17:00"'),
        ('"09:00-17:00"', "/hours", "has '09:00-17:00', which is not such as"),
        ('"mon-fri 9-17"', "/hours", "has '9-17', which are no hours"),
        ('"mon-fri 09:00-17:60"', "/hours", "which are no hours"),
        ('"mon-foo 09:00-17:00"', "/hours", "has 'mon-foo', which is no weekday; they are mon"),
        ('"mon 09:00-17:00, mon-fri 09:00-17:00"', "/hours", "has mon once more"),
        ('"mon 22:00-06:00"', "/hours", "belongs to the next day, from 00:00"),
        ('"mon 00:00-25:00"', "/hours", "at 24:00 at the latest"),
        ('"mon 09:00-12:00 11:00-17:00"', "/hours", "hours that overlap"),
        ("{ mon = 3 }", "/hours/mon", "must be hours such as 09:00-17:00"),
        ("{ mon = [3] }", "/hours/mon", "has 3, which are no hours"),
        ('{ monday = "09:00-17:00" }', "/hours/monday", "has 'monday', which is no weekday"),
        ("{ mon = [] }", "/hours", "leaves no working time at all"),
        ("{}", "/hours", "leaves no working time at all"),
    ],
)
def test_hours_that_are_none_are_refused(hours, at, said):
    errors = refused(f'name = "x"\ntimezone = "UTC"\nhours = {hours}')
    assert list(errors) == [at]
    assert said in errors[at]


@pytest.mark.parametrize(
    ("line", "at", "said"),
    [
        ('timezone = "Europe/Berlim"', "/timezone", "no time zone (did you mean Europe/Berlin?)"),
        ('timezone = "../x"', "/timezone", "is no time zone"),
        ('timezone = "Europe"', "/timezone", "is no time zone"),
        ("timezone = 1", "/timezone", "must be the name of a time zone"),
        ('name = " "', "/name", "must be a name"),
        ("holidays = 3", "/holidays", "must be such as"),
        ('holidays = { country = "DX" }', "/holidays/country", "is no country whose holidays"),
        ('holidays = { country = "de" }', "/holidays/country", "did you mean DE?"),
        (
            'holidays = { country = "DE", subdivision = "XX" }',
            "/holidays/subdivision",
            "'XX' is none of DE's, which are BB, BE, BW",
        ),
        ('holidays = { country = "DE", region = "BY" }', "/holidays/region", "is not known here"),
        ("closed = 2026-12-31", "/closed", "must be a list of dates"),
        ('closed = [2026-12-31, "soon"]', "/closed/1", "'soon' is no date such as 2026-12-31"),
        ("closed = [2026-12-31T10:00:00]", "/closed/0", "is no date"),
        ("special = [2026-12-31]", "/special", "must be dates with their hours"),
        ('special = { 2026-13-01 = "09:00-12:00" }', "/special/2026-13-01", "is no date"),
        ('special = { 2026-12-01 = "9" }', "/special/2026-12-01", "which are no hours"),
        ('zone = "UTC"', "/zone", "is not known here; a calendar has name, timezone, hours"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(line, at, said):
    base = {"name": '"x"', "timezone": '"UTC"', "hours": '"mon 09:00-17:00"'}
    key, value = line.split(" = ", 1)
    errors = refused("\n".join(f"{k} = {v}" for k, v in (base | {key: value}).items()))
    assert list(errors) == [at]
    assert said in errors[at]


def test_all_that_is_wrong_or_missing_is_said_at_once():
    text = 'closed = [2026-12-24]\nspecial = { 2026-12-24 = "09:00-12:00" }\nname = 3'
    assert refused(text) == {
        "/timezone": "is missing",
        "/hours": "is missing",
        "/name": "must be a name",
        "/closed/0": "has 2026-12-24, which has hours in special as well",
    }
