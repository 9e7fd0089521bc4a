"""The arithmetic of the quota, without I/O: days in a time zone, and what is left of one."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day in the configured zone, and the UTC moments at which it begins and ends."""

    date: date
    starts_at: datetime
    ends_at: datetime

    def seconds_left(self, now: datetime) -> int:
        return max(1, math.ceil((self.ends_at - now).total_seconds()))


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in the configured zone: its first day, and the UTC moment at which it ends."""

    date: date
    ends_at: datetime

    def seconds_left(self, now: datetime) -> int:
        return max(1, math.ceil((self.ends_at - now).total_seconds()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What a person has today, or a department this month. `allowance` -1 is unlimited."""

    allowance: int
    used: int
    reserved: int
    resets_at: datetime

    @property
    def remaining(self) -> int | None:
        """None when unlimited; never negative, even after the quota was lowered."""
        if self.allowance < 0:
            return None
        return max(0, self.allowance - self.used - self.reserved)


def day_of(moment: datetime, zone: ZoneInfo) -> Day:
    """The day that `moment` falls on. Days of 23 and 25 hours come out right: both ends are looked up."""
    return day_on(moment.astimezone(zone).date(), zone)


def day_on(local: date, zone: ZoneInfo) -> Day:
    return Day(local, _midnight(local, zone), _midnight(local + timedelta(days=1), zone))


def month_of(moment: datetime, zone: ZoneInfo) -> Month:
    """The month that `moment` falls on."""
    return month_on(moment.astimezone(zone).date(), zone)


def month_on(local: date, zone: ZoneInfo) -> Month:
    first = first_of_month(local)
    return Month(first, _midnight(first_of_month(first + timedelta(days=31)), zone))


def first_of_month(day: date) -> date:
    return day.replace(day=1)


def allowance_of_day(base: int, adjusted: int) -> int:
    """What an administrator added to the day or took from it counts, unless the person is unlimited anyway."""
    return base if base < 0 else max(0, base + adjusted)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # Where 00:00 is skipped by a clock change, fold=0 gives the first moment after the gap when read back from UTC.
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
