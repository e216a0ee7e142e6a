"""How somebody wishes to be told: of what, in which ways, and when rather not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Any

from signoff.domain.calendar import DAY, MIDNIGHT, Calendar, Hours, WorkingDay
from signoff.domain.notification import Occasion

FIELDS = ("notify", "quiet", "digest", "timezone")
"""The names of what there is to choose, as people write it."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HOUR = timedelta(hours=1)


class About(StrEnum):
    """Which requests somebody hears of, among those that concern them at all."""

    ME = "me"
    """Those that name them: asked, handed on to, claimed, started or voted on by them, or asked
    of somebody they stand in for."""
    GROUPS = "groups"
    """Also those that name one of their groups."""
    ALL = "all"
    """Also those that are for any reviewer."""


class Pace(StrEnum):
    """How messages come: each by itself, or gathered."""

    NONE = "none"
    HOURLY = "hourly"
    DAILY = "daily"


@dataclass(frozen=True, slots=True)
class Digest:
    """Messages gathered into one: each full hour, or each day `at` a time by the local clock."""

    pace: Pace = Pace.NONE
    at: time = time(8)

    def __str__(self) -> str:
        return f"{self.pace} {self.at:%H:%M}" if self.pace is Pace.DAILY else self.pace.value

    def after(self, moment: datetime, timezone: tzinfo) -> datetime:
        """When what is to be told at a moment comes with the next digest, in UTC."""
        match self.pace:
            case Pace.NONE:
                return moment
            case Pace.HOURLY:
                local = moment.astimezone(timezone)
                past = timedelta(
                    minutes=local.minute, seconds=local.second, microseconds=local.microsecond
                )
                return moment - past + _HOUR
            case Pace.DAILY:
                days = _from_on(self.at, timezone).working_time(moment)
                return next(opens for opens, _ in days if opens > moment)


@dataclass(frozen=True, kw_only=True, slots=True)
class Quiet:
    """When somebody is left alone: each day from `start` up to `end`, also over midnight, and all
    day on `days`, Monday being 0; by the clock on their wall.

    What is urgent comes through unless `urgent` is False.
    """

    start: time | None = None
    end: time | None = None
    days: frozenset[int] = frozenset()
    urgent: bool = True

    @property
    def hours(self) -> str | None:
        """The hours as people write them: ``20:00-07:00``."""
        if self.start is None or self.end is None:
            return None
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def after(self, moment: datetime, timezone: tzinfo) -> datetime:
        """The first moment from the given one on at which it is not quiet, in UTC."""
        opens, _ = next(_awake(self, timezone).working_time(moment))
        return max(opens, moment)

    def to_json(self) -> dict[str, Any]:
        """The quiet hours as people write them."""
        return {
            "hours": self.hours,
            "days": [WEEKDAYS[day] for day in sorted(self.days)],
            "urgent": self.urgent,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Preferences:
    """What somebody wishes to be told, in which ways and when.

    `channels` are the ways; None is each that there is an address for, an empty one none at all.
    """

    channels: tuple[str, ...] | None = None
    occasions: frozenset[Occasion] = frozenset(Occasion)
    about: About = About.ALL
    quiet: Quiet | None = None
    digest: Digest = Digest()
    timezone: tzinfo = UTC

    def to_json(self) -> dict[str, Any]:
        """All preferences, as `signoff.project.preferences` reads them."""
        return {
            "notify": {
                "channels": None if self.channels is None else list(self.channels),
                "occasions": [each.value for each in Occasion if each in self.occasions],
                "about": self.about.value,
            },
            "quiet": None if self.quiet is None else self.quiet.to_json(),
            "digest": str(self.digest),
            "timezone": str(self.timezone),
        }

    def moment(
        self, at: datetime, *, urgent: bool, deadline: datetime | None = None
    ) -> tuple[datetime, bool]:
        """When what happens `at` a moment is told, in UTC, and whether with others in a digest.

        What is urgent does not wait for a digest, nor for the end of quiet hours unless it is
        said to. What a digest would tell too late, past the deadline, comes by itself.
        """
        at = at.astimezone(UTC)
        through = urgent and (self.quiet is None or self.quiet.urgent)
        if through:
            return at, False
        told = self._awake(at)
        if urgent or self.digest.pace is Pace.NONE:
            return told, False
        gathered = self._awake(self.digest.after(at, self.timezone))
        if deadline is not None and at < deadline <= gathered:
            return told, False
        return gathered, True

    def _awake(self, moment: datetime) -> datetime:
        return moment if self.quiet is None else self.quiet.after(moment, self.timezone)


BY_DEFAULT = Preferences()
"""Everything, in every way, at once."""


# --- clocks ------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _awake(quiet: Quiet, timezone: tzinfo) -> Calendar:
    """The time that quiet hours leave, as if it were working time."""
    day = _left(quiet.start, quiet.end)
    hours = {n: () if n in quiet.days else day for n in range(7)}
    return Calendar(name="quiet hours", timezone=timezone, hours=hours)


def _left(start: time | None, end: time | None) -> WorkingDay:
    """What of a day is not from `start` to `end`."""
    if start is None or end is None:
        return (Hours(MIDNIGHT, DAY),)
    first, last = _since_midnight(start), _since_midnight(end)
    if first > last:
        return (Hours(last, first),)
    around = ((MIDNIGHT, first), (last, DAY))
    return tuple(Hours(begin, finish) for begin, finish in around if begin < finish)


@lru_cache(maxsize=512)
def _from_on(at: time, timezone: tzinfo) -> Calendar:
    """Days that begin at a time of the day."""
    day = (Hours(_since_midnight(at), DAY),)
    return Calendar(name="digest", timezone=timezone, hours=dict.fromkeys(range(7), day))


def _since_midnight(clock: time) -> timedelta:
    return timedelta(hours=clock.hour, minutes=clock.minute)
