"""The day and month rows and the ledger that explains them. Whoever calls these holds the user's row locked.

Rows are locked in one order, so that no two clicks wait for each other: the user, the day, the month, the service.
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.rows import Page, Repository, before, page
from app.store.tables import departments, quota_days, quota_entries, quota_months

WHOLE_JOB: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """`adjusted` is what administrators added to the day's allowance."""

    used: int = 0
    reserved: int = 0
    adjusted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRow:
    used: int = 0
    reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the ledger. `kind`: reserve, commit, release or adjust; `picture_index` WHOLE_JOB for no picture.

    `actor` is the name of whoever caused it.
    """

    picture_index: int = WHOLE_JOB
    kind: str
    amount: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow(Entry):
    """As it was written; `job_id` None for an adjusted day."""

    id: int
    job_id: str | None
    created_at: datetime


class QuotaDays(Repository):
    def day(self, user_id: int, day: date) -> DayRow:
        """The row of that day; zeros where nothing happened."""
        query = select(*(quota_days.c[field] for field in DayRow.__dataclass_fields__)).where(_is_day(user_id, day))
        row = self._connection.execute(query).one_or_none()
        return DayRow() if row is None else DayRow(**row._asdict())

    def open_day(self, user_id: int, day: date, starts_at: datetime, ends_at: datetime) -> None:
        """Make sure that the day's row exists."""
        if self._connection.execute(select(quota_days.c.day).where(_is_day(user_id, day))).one_or_none() is None:
            values = {"starts_at": starts_at, "ends_at": ends_at}
            zeros = dict.fromkeys(("allowance", "adjusted", "used", "reserved"), 0)
            self._connection.execute(insert(quota_days).values(user_id=user_id, day=day, **values, **zeros))

    def reserve(self, user_id: int, day: date, amount: int, allowance: int) -> bool:
        """Raise the reservation if it fits the allowance (-1 unlimited) and what was added; one conditional UPDATE."""
        whole = allowance if allowance < 0 else quota_days.c.adjusted + allowance
        return _reserve(self, quota_days, _is_day(user_id, day), amount, whole)

    def move(self, user_id: int, day: date, *, used: int, reserved: int) -> None:
        """Add to both numbers; the CHECKs refuse what would make the row wrong."""
        _move(self, quota_days, _is_day(user_id, day), used, reserved)

    def adjust(self, user_id: int, day: date, amount: int) -> None:
        values = {"adjusted": quota_days.c.adjusted + amount}
        self._connection.execute(update(quota_days).where(_is_day(user_id, day)).values(**values))

    def write(self, *, user_id: int, day: date, job_id: str | None, entry: Entry, at: datetime) -> None:
        """Write a ledger entry that nobody can have written before."""
        values = {"user_id": user_id, "day": day, "job_id": job_id, "created_at": at, **asdict(entry)}
        self._connection.execute(insert(quota_entries).values(**values))

    def enter(self, *, user_id: int, day: date, job_id: str, entry: Entry, at: datetime) -> bool:
        """Write a job's ledger entry; False if this one was written before."""
        try:
            with self._connection.begin_nested():
                self.write(user_id=user_id, day=day, job_id=job_id, entry=entry, at=at)
        except IntegrityError:
            return False
        return True

    def held(self, job_id: str) -> int:
        """What is left of the job's reservation, by the ledger."""
        query = select(quota_entries.c.kind, func.sum(quota_entries.c.amount)).where(quota_entries.c.job_id == job_id)
        sums = {kind: int(total) for kind, total in self._connection.execute(query.group_by(quota_entries.c.kind))}
        return sums.get("reserve", 0) - sums.get("commit", 0) - sums.get("release", 0)

    def released(self, user_id: int, day: date, reason: str) -> int:
        """How many pictures of that day were given back for this reason."""
        query = select(func.count()).where(quota_entries.c.user_id == user_id, quota_entries.c.day == day)
        query = query.where(quota_entries.c.kind == "release", quota_entries.c.reason == reason)
        return self._connection.scalar(query) or 0

    def entries(self, user_id: int, day: date, cursor: str | None, limit: int) -> Page[EntryRow]:
        """The ledger of one day, newest first."""
        label = f"entries/{user_id}/{day}"
        columns = (quota_entries.c[field] for field in EntryRow.__dataclass_fields__)
        query = select(*columns).where(quota_entries.c.user_id == user_id, quota_entries.c.day == day)
        if (last := before(cursor, label)) is not None:
            query = query.where(quota_entries.c.id < last)
        rows = self._connection.execute(query.order_by(quota_entries.c.id.desc()).limit(limit + 1)).all()
        return page(rows, limit, lambda row: EntryRow(**row._asdict()), "id", label)

    def recent_days(self, since: datetime) -> tuple[date, ...]:
        """The days that have rows and had not ended by then."""
        query = select(quota_days.c.day).where(quota_days.c.ends_at > since).distinct()
        return tuple(self._connection.scalars(query))

    def set_bounds(self, day: date, starts_at: datetime, ends_at: datetime) -> None:
        """Say when that day begins and ends, for everybody."""
        values = {"starts_at": starts_at, "ends_at": ends_at}
        differing = (quota_days.c.starts_at != starts_at) | (quota_days.c.ends_at != ends_at)
        self._connection.execute(update(quota_days).where(quota_days.c.day == day, differing).values(**values))


class QuotaMonths(Repository):
    """What departments make of a month, and the budgets that some of them have."""

    def budget(self, department: str) -> int | None:
        """Pictures a month; None for no limit."""
        return self._connection.scalar(select(departments.c.budget_monthly).where(departments.c.name == department))

    def budgets(self) -> dict[str, int | None]:
        """Of all departments that ever had one."""
        rows = self._connection.execute(select(departments.c.name, departments.c.budget_monthly))
        return {row.name: row.budget_monthly for row in rows}

    def set_budget(self, department: str, budget: int | None) -> None:
        named = departments.c.name == department
        if self._connection.execute(select(departments.c.name).where(named)).one_or_none() is None:
            self._insert(departments, {"name": department, "budget_monthly": budget})
        self._connection.execute(update(departments).where(named).values(budget_monthly=budget))

    def month(self, department: str, month: date) -> MonthRow:
        """The row of that month, given as its first day; zeros where nothing happened."""
        query = select(quota_months.c.used, quota_months.c.reserved).where(_is_month(department, month))
        row = self._connection.execute(query).one_or_none()
        return MonthRow() if row is None else MonthRow(**row._asdict())

    def months(self, month: date) -> dict[str, MonthRow]:
        """What every department has made of that month."""
        query = select(quota_months).where(quota_months.c.month == month)
        rows = self._connection.execute(query)
        return {row.department: MonthRow(used=row.used, reserved=row.reserved) for row in rows}

    def open_month(self, department: str, month: date) -> None:
        """Make sure that the month's row exists; colleagues may be at it at the same moment."""
        if self._connection.execute(select(quota_months.c.month).where(_is_month(department, month))).first() is None:
            values = {"department": department, "month": month, "allowance": -1, "used": 0, "reserved": 0}
            self._insert(quota_months, values)

    def reserve(self, department: str, month: date, amount: int, allowance: int) -> bool:
        return _reserve(self, quota_months, _is_month(department, month), amount, allowance)

    def move(self, department: str, month: date, *, used: int, reserved: int) -> None:
        _move(self, quota_months, _is_month(department, month), used, reserved)

    def _insert(self, table: Table, values: dict[str, Any]) -> None:
        """Unless somebody else has done so meanwhile."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(table).values(**values))
        except IntegrityError:
            return


def _reserve(
    repository: Repository, table: Table, row: ColumnElement[bool], amount: int, allowance: int | ColumnElement[int]
) -> bool:
    total = table.c.used + table.c.reserved + amount
    unlimited = isinstance(allowance, int) and allowance < 0
    fits = row if unlimited else row & (total <= allowance)
    values = {"reserved": table.c.reserved + amount, "allowance": allowance}
    return repository.changes(update(table).where(fits).values(**values)) == 1


def _move(repository: Repository, table: Table, row: ColumnElement[bool], used: int, reserved: int) -> None:
    values = {"used": table.c.used + used, "reserved": table.c.reserved + reserved}
    repository.changes(update(table).where(row).values(**values))


def _is_day(user_id: int, day: date) -> ColumnElement[bool]:
    return (quota_days.c.user_id == user_id) & (quota_days.c.day == day)


def _is_month(department: str, month: date) -> ColumnElement[bool]:
    return (quota_months.c.department == department) & (quota_months.c.month == month)
