"""The day rows and the ledger that explains them. Whoever calls these holds the user's row locked."""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import CursorResult, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.rows import Repository
from app.store.tables import quota_days, quota_entries

WHOLE_JOB: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    used: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. `kind`: reserve, commit or release; `picture_index` WHOLE_JOB for the job as such."""

    picture_index: int
    kind: str
    amount: int
    reason: str


class QuotaDays(Repository):
    def day(self, user_id: int, day: date) -> DayRow:
        """The row of that day; zeros where nothing happened."""
        query = select(quota_days.c.used, quota_days.c.reserved).where(_is(user_id, day))
        row = self._connection.execute(query).one_or_none()
        return DayRow(used=0, reserved=0) if row is None else DayRow(used=row.used, reserved=row.reserved)

    def open_day(self, user_id: int, day: date, starts_at: datetime, ends_at: datetime) -> None:
        """Make sure that the day's row exists."""
        if self._connection.execute(select(quota_days.c.day).where(_is(user_id, day))).one_or_none() is None:
            self._connection.execute(
                insert(quota_days).values(
                    user_id=user_id, day=day, starts_at=starts_at, ends_at=ends_at, allowance=0, used=0, reserved=0
                )
            )

    def reserve(self, user_id: int, day: date, amount: int, allowance: int) -> bool:
        """Raise the reservation if it fits the allowance (-1 unlimited); one conditional UPDATE."""
        total = quota_days.c.used + quota_days.c.reserved + amount
        fits = _is(user_id, day) if allowance < 0 else _is(user_id, day) & (total <= allowance)
        values = {"reserved": quota_days.c.reserved + amount, "allowance": allowance}
        result: CursorResult[Any] = self._connection.execute(update(quota_days).where(fits).values(**values))
        return result.rowcount == 1

    def move(self, user_id: int, day: date, *, used: int, reserved: int) -> None:
        """Add to both numbers; the CHECKs refuse what would make the row wrong."""
        values = {"used": quota_days.c.used + used, "reserved": quota_days.c.reserved + reserved}
        self._connection.execute(update(quota_days).where(_is(user_id, day)).values(**values))

    def enter(self, *, user_id: int, day: date, job_id: str, entry: Entry, at: datetime) -> bool:
        """Write a ledger entry; False if this one was written before."""
        values = {"user_id": user_id, "day": day, "job_id": job_id, "created_at": at, **asdict(entry)}
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(quota_entries).values(**values))
        except IntegrityError:
            return False
        return True

    def held(self, job_id: str) -> int:
        """What is left of the job's reservation, by the ledger."""
        query = select(quota_entries.c.kind, func.sum(quota_entries.c.amount)).where(quota_entries.c.job_id == job_id)
        sums = {kind: int(total) for kind, total in self._connection.execute(query.group_by(quota_entries.c.kind))}
        return sums.get("reserve", 0) - sums.get("commit", 0) - sums.get("release", 0)


def _is(user_id: int, day: date) -> Any:  # noqa: ANN401 - an SQL expression
    return (quota_days.c.user_id == user_id) & (quota_days.c.day == day)
