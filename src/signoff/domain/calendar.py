"""Business time: what the hours, the holidays and the clock changes of a place leave of a week."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise

from signoff.domain.errors import InvalidPolicy

DAY = timedelta(days=1)
MIDNIGHT = timedelta()

_MOST_IDLE_DAYS = 3660
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of a working day, by the clock on the wall: time since midnight, up to 24 hours."""

    start: timedelta
    end: timedelta

    def __post_init__(self) -> None:
        if not MIDNIGHT <= self.start < self.end <= DAY:
            raise InvalidPolicy("working hours end after they start, within one day")


WorkingDay = tuple[Hours, ...]
"""The hours of a day in order; none, if nobody works."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Calendar:
    """The working time of a place.

    `hours` are those of each weekday, Monday being 0. Nobody works on `holidays`. A day in
    `special` has hours of its own, be it a holiday or not.

    Hours are by the clock on the wall, and what counts is the time that really passes: the day on
    which clocks change is shorter or longer, if they change in working hours. What the wall shows
    twice counts as far as it lies between start and end; a start or end that it does not show at
    all is the moment of the change.
    """

    name: str
    timezone: tzinfo
    hours: Mapping[int, WorkingDay]
    holidays: Container[date] = frozenset()
    special: Mapping[date, WorkingDay] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not any(self.hours.values()):
            raise InvalidPolicy(f"calendar {self.name} has no working time at all")
        for day in (*self.hours.values(), *self.special.values()):
            if any(earlier.end > later.start for earlier, later in pairwise(day)):
                raise InvalidPolicy(f"calendar {self.name} has working hours that overlap")

    def add(self, start: datetime, duration: timedelta) -> datetime:
        """The first moment, in UTC, by which this much working time has passed since `start`.

        Raises:
            InvalidPolicy: There is no such moment: nobody works for ten years in between, or the
                year 9999 comes first.
        """
        if duration < timedelta():
            raise ValueError("working time is only ever added")
        begin = utc(start)
        if not duration:
            return begin
        left = duration
        for opens, closes in self.working_time(begin):
            worked = closes - max(opens, begin)
            if worked >= left:
                return closes - (worked - left)
            left -= worked
        raise InvalidPolicy(f"calendar {self.name} has too little working time for a deadline")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The working time from `start` to `end`; below zero if `end` comes first."""
        begin, finish = utc(start), utc(end)
        if finish < begin:
            return -self.between(end, start)
        total = timedelta()
        for opens, closes in self.working_time(begin, until=finish):
            total += min(closes, finish) - max(opens, begin)
        return total

    def working_time(
        self, start: datetime, *, until: datetime | None = None
    ) -> Iterator[tuple[datetime, datetime]]:
        """The stretches of work, in UTC and in order, that overlap the time from `start` on."""
        day = start.astimezone(self.timezone).date() - DAY
        last = date.max if until is None else until.astimezone(self.timezone).date() + DAY
        idle = 0
        while day < last and (until is not None or idle < _MOST_IDLE_DAYS):
            hours = self._hours_of(day)
            for opens, closes in self._stretches(day, hours):
                if until is not None and opens >= until:
                    return
                if closes > start and closes > opens:
                    yield opens, closes
            idle = 0 if hours else idle + 1
            day += DAY

    def _stretches(self, day: date, hours: WorkingDay) -> list[tuple[datetime, datetime]]:
        """The hours of a day in UTC. No time zone has ever changed its clocks twice in a day."""
        if not hours:
            return []
        midnight = datetime.combine(day, time(), self.timezone)
        if midnight.utcoffset() == (midnight + DAY).utcoffset():
            begin = midnight.astimezone(UTC)
            return [(begin + each.start, begin + each.end) for each in hours]
        return [
            (self._moment(midnight + each.start), self._moment(midnight + each.end))
            for each in hours
        ]

    def _hours_of(self, day: date) -> WorkingDay:
        if (special := self.special.get(day)) is not None:
            return special
        hours = self.hours.get(day.weekday(), ())
        return () if hours and day in self.holidays else hours

    def _moment(self, wall: datetime) -> datetime:
        """When the clock on the wall shows this for the first time, or jumps over it; in UTC."""
        before, after = wall.utcoffset(), wall.replace(fold=1).utcoffset()
        assert before is not None
        assert after is not None
        naive = wall.replace(tzinfo=None)
        if before < after:  # clocks are put forward, from `before` to `after`, over this time
            return self._change(naive - after, naive - before, after).replace(tzinfo=UTC)
        return (naive - before).replace(tzinfo=UTC)

    def _change(self, low: datetime, high: datetime, after: timedelta) -> datetime:
        """The first second from which on the time zone is `after` UTC: past `low`, up to `high`."""
        while high - low > _SECOND:
            middle = low + (high - low) // (2 * _SECOND) * _SECOND
            if self.timezone.fromutc(middle.replace(tzinfo=self.timezone)).utcoffset() == after:
                high = middle
            else:
                low = middle
        return high


def utc(moment: datetime) -> datetime:
    """The same moment in UTC, where adding a duration adds what really passes."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC)
