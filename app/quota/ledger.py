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


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What a person has today. `allowance` -1 is unlimited."""

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


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # Where 00:00 is skipped by a clock change, fold=0 gives the first moment after the gap when read back from UTC.
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
