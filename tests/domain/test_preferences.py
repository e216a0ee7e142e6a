"""When somebody is told of something, over all quiet hours, digests and clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.domain.errors import InvalidPolicy
from signoff.domain.notification import Occasion
from signoff.domain.preferences import About, Digest, Pace, Preferences, Quiet
from signoff.project import preferences as tables

HOUR = timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")

clocks = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
).map(ZoneInfo)
moments = st.datetimes(
    datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC), allow_imaginary=False
)


@st.composite
def quiets(draw) -> Quiet:
    start, end = draw(st.lists(clocks, min_size=2, max_size=2, unique=True))
    days = draw(st.frozensets(st.integers(0, 6), max_size=6))
    return Quiet(start=start, end=end, days=days, urgent=draw(st.booleans()))


digests = st.builds(Digest, st.sampled_from(Pace), clocks)
wishes = st.builds(
    Preferences,
    channels=st.none() | st.lists(st.sampled_from(["email", "slack"]), unique=True).map(tuple),
    occasions=st.frozensets(st.sampled_from(Occasion)),
    about=st.sampled_from(About),
    quiet=st.none() | quiets(),
    digest=digests,
    timezone=zones,
)


def is_quiet(quiet: Quiet | None, local: datetime) -> bool:
    """By the clock on the wall, which is what people see."""
    if quiet is None:
        return False
    if local.weekday() in quiet.days:
        return True
    clock = local.time()
    if quiet.start < quiet.end:
        return quiet.start <= clock < quiet.end
    return clock >= quiet.start or clock < quiet.end


def changes_clocks(zone: ZoneInfo, at: datetime) -> bool:
    """Whether clocks change within a day around a moment: what they show is then shown twice."""
    day = timedelta(days=1)
    local = at.astimezone(zone)
    return (local - day).utcoffset() != (local + day).utcoffset()


@given(wishes, moments)
def test_nobody_is_disturbed_in_quiet_hours(wish, at):
    told, _ = wish.moment(at, urgent=False)
    assert told >= at
    if not changes_clocks(wish.timezone, told):
        assert not is_quiet(wish.quiet, told.astimezone(wish.timezone))


@given(wishes, moments)
def test_quiet_hours_delay_no_longer_than_they_last(wish, at):
    told = wish.quiet.after(at, wish.timezone) if wish.quiet else at
    local = at.astimezone(wish.timezone)
    if told > at and not changes_clocks(wish.timezone, told):
        assert is_quiet(wish.quiet, local) or changes_clocks(wish.timezone, at)
        assert is_quiet(wish.quiet, (told - timedelta(minutes=1)).astimezone(wish.timezone))


@given(wishes, moments)
def test_what_is_urgent_comes_at_once_unless_it_is_said_not_to(wish, at):
    told, gathered = wish.moment(at, urgent=True)
    assert not gathered
    if wish.quiet is None or wish.quiet.urgent:
        assert told == at
    else:
        assert told == wish.quiet.after(at, wish.timezone)


@given(wishes, moments, st.timedeltas(timedelta(minutes=1), timedelta(days=3)))
def test_a_digest_tells_nothing_past_its_deadline(wish, at, within):
    told, gathered = wish.moment(at, urgent=False, deadline=at + within)
    if gathered:
        assert told < at + within
    elif wish.quiet is None:
        assert told == at


@given(wishes, moments, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_what_happens_later_is_never_told_earlier(wish, at, later):
    assert wish.moment(at, urgent=False)[0] <= wish.moment(at + later, urgent=False)[0]


@given(wishes)
def test_preferences_are_read_back_as_they_are_shown(wish):
    shown = wish.to_json()
    assert tables.read(shown).to_json() == shown
    read = tables.read(shown)
    assert (read.channels, read.occasions, read.about) == (
        wish.channels,
        wish.occasions,
        wish.about,
    )
    assert read.quiet == wish.quiet


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-03-04T19:59", "2026-03-04T19:59"),
        ("2026-03-04T20:00", "2026-03-05T07:00"),
        ("2026-03-05T06:59", "2026-03-05T07:00"),
        ("2026-03-05T07:00", "2026-03-05T07:00"),
        ("2026-03-06T21:00", "2026-03-09T07:00"),  # a Friday: the weekend is quiet too
        ("2026-03-28T23:00", "2026-03-30T07:00"),  # clocks change that Sunday
    ],
)
def test_quiet_hours_go_over_midnight_and_weekends(moment, told):
    wish = tables.read(
        {
            "quiet": {"hours": "20:00-07:00", "days": ["sat", "sun"]},
            "timezone": "Europe/Berlin",
        }
    )
    assert wish.moment(at(moment), urgent=False) == (at(told), False)


@pytest.mark.parametrize(
    ("digest", "moment", "told"),
    [
        ("hourly", "2026-03-04T10:00", "2026-03-04T11:00"),
        ("hourly", "2026-03-04T10:59", "2026-03-04T11:00"),
        ("daily 08:00", "2026-03-04T07:59", "2026-03-04T08:00"),
        ("daily 08:00", "2026-03-04T08:00", "2026-03-05T08:00"),
        ("daily", "2026-10-24T09:00", "2026-10-25T08:00"),  # 24 hours and one: clocks change
        ("daily 02:30", "2026-03-28T12:00", "2026-03-29T03:00"),  # there is no 02:30 that day
    ],
)
def test_digests_keep_to_the_clock_on_the_wall(digest, moment, told):
    wish = tables.read({"digest": digest, "timezone": "Europe/Berlin"})
    assert wish.moment(at(moment), urgent=False) == (at(told), True)


@pytest.mark.parametrize(
    ("given", "where", "said"),
    [
        ({"quiet": "late"}, "/quiet", "from when to when"),
        ({"quiet": "07:00-07:00"}, "/quiet", "another time"),
        ({"quiet": {}}, "/quiet", "hours or days"),
        ({"quiet": {"hours": "25:00-07:00"}}, "/quiet/hours", "from when to when"),
        ({"quiet": {"days": ["caturday"]}}, "/quiet/days/0", "mon, tue"),
        ({"quiet": {"days": list(tables.WEEKDAYS)}}, "/quiet/days", "leave one day"),
        ({"quiet": {"hours": "20:00-07:00", "loud": 1}}, "/quiet", "'loud'"),
        ({"quiet": {"hours": "20:00-07:00", "urgent": "no"}}, "/quiet/urgent", "true or false"),
        ({"digest": "weekly"}, "/digest", "none, hourly, or daily"),
        ({"digest": "daily 24:00"}, "/digest", "none, hourly, or daily"),
        ({"notify": 7}, "/notify", "list of channels"),
        ({"notify": {"about": "us"}}, "/notify/about", "me, groups, all"),
        ({"notify": {"occasions": ["born"]}}, "/notify/occasions/0", "opened"),
        ({"notify": {"via": []}}, "/notify", "'via'"),
        ({"timezone": "Europe/Atlantis"}, "/timezone", "no time zone"),
        ({"timezone": "../../etc/passwd"}, "/timezone", "no time zone"),
        ({"quite": "20:00-07:00"}, "/quite", "not known here"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(given, where, said):
    with pytest.raises(InvalidPolicy) as raised:
        tables.read(given)
    [error] = raised.value.errors
    assert error.pointer == where
    assert said in error.message


def test_times_are_taken_as_people_write_them():
    assert tables.read({"quiet": "20:00 to 7:00"}).quiet == Quiet(start=time(20), end=time(7))
    assert tables.read({"quiet": "00:00-06:30"}).quiet.hours == "00:00-06:30"
    assert str(tables.read({"digest": "daily at 9:05"}).digest) == "daily 09:05"
    assert tables.read({"notify": "email"}).channels == ("email",)
    assert tables.read({"notify": []}).channels == ()
