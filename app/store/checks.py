"""Questions about the whole database: whether it is ours yet, and whether ledger, days, jobs and pictures agree.

Each question is one query that answers only the rows that are wrong, so it stays quick with many pictures.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, inspect, or_, select
from sqlalchemy.exc import DBAPIError

from app.domain.jobs import UNFINISHED, JobState
from app.store import schema
from app.store.connect import READ_ONLY, Database
from app.store.quota import WHOLE_JOB
from app.store.rows import Repository
from app.store.tables import images, jobs, quota_days, quota_entries, quota_months, users

Wrong = TypeVar("Wrong")
_UNFINISHED: Final = tuple(sorted(UNFINISHED))


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongDay:
    """`used` and `reserved` None: the ledger knows the day, and there is no row for it."""

    username: str
    day: date
    used: int | None
    reserved: int | None
    adjusted: int | None
    ledger_used: int
    ledger_reserved: int
    ledger_adjusted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthSum:
    """What the row of a department's month says, or what the ledger adds up to."""

    department: str
    month: date
    used: int
    reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongJob:
    """`reserved` is what the ledger reserved for the job, `held` what is left of it, `expected` what should be."""

    id: str
    state: str
    count: int
    cost: int
    pictures: int
    reserved: int
    held: int
    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A picture of a job, by number."""

    job_id: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """What a picture's row says about its file."""

    id: str
    path: str
    size: int
    deleted: bool


class Checks(Repository):
    """Ask inside one snapshot: each answer is only as true as the others are of the same moment."""

    def wrong_days(self) -> tuple[WrongDay, ...]:
        """Days whose numbers are not the sums of their ledger entries."""
        sums = _sums(quota_entries.c.user_id, quota_entries.c.day)
        same = and_(sums.c.user_id == quota_days.c.user_id, sums.c.day == quota_days.c.day)
        used, held, added = (func.coalesce(each, 0) for each in (sums.c.used, sums.c.held, sums.c.adjusted))
        ledger = (used.label("ledger_used"), held.label("ledger_reserved"), added.label("ledger_adjusted"))
        row = (quota_days.c.used, quota_days.c.reserved, quota_days.c.adjusted)
        differing = (
            select(users.c.username, quota_days.c.day, *row, *ledger)
            .select_from(quota_days.join(users, users.c.id == quota_days.c.user_id).outerjoin(sums, same))
            .where(or_(quota_days.c.used != used, quota_days.c.reserved != held, quota_days.c.adjusted != added))
        )
        missing = (
            select(users.c.username, sums.c.day, *row, *ledger)
            .select_from(sums.outerjoin(quota_days, same).outerjoin(users, users.c.id == sums.c.user_id))
            .where(quota_days.c.day.is_(None))
        )
        return (*self._all(differing, WrongDay), *self._all(missing, WrongDay))

    def months(self) -> tuple[MonthSum, ...]:
        """What the rows of the departments say."""
        columns = (quota_months.c[field] for field in MonthSum.__dataclass_fields__)
        return self._all(select(*columns), MonthSum)

    def months_by_ledger(self) -> tuple[MonthSum, ...]:
        """The same, added up from the ledger day by day: `month` is a day of it."""
        sums = _sums(quota_entries.c.job_id, quota_entries.c.day)
        used, held = func.sum(sums.c.used).label("used"), func.sum(sums.c.held).label("reserved")
        query = select(jobs.c.department, sums.c.day.label("month"), used, held).join(jobs, jobs.c.id == sums.c.job_id)
        return self._all(query.where(jobs.c.department != "").group_by(jobs.c.department, sums.c.day), MonthSum)

    def wrong_jobs(self) -> tuple[WrongJob, ...]:
        """Jobs that hold what they should not, or succeeded without all their pictures."""
        sums = _sums(quota_entries.c.job_id)
        made = select(images.c.job_id, func.count().label("pictures")).group_by(images.c.job_id).subquery()
        pictures, held = func.coalesce(made.c.pictures, 0), func.coalesce(sums.c.held, 0)
        reserved = func.coalesce(sums.c.reserved, 0)
        expected = case((jobs.c.state.in_(_UNFINISHED), jobs.c.count - pictures), else_=0)
        incomplete = and_(jobs.c.state == JobState.SUCCEEDED.value, pictures != jobs.c.count)
        query = (
            select(
                jobs.c.id,
                jobs.c.state,
                jobs.c.count,
                jobs.c.cost,
                pictures.label("pictures"),
                reserved.label("reserved"),
                held.label("held"),
                expected.label("expected"),
            )
            .select_from(jobs.outerjoin(sums, sums.c.job_id == jobs.c.id).outerjoin(made, made.c.job_id == jobs.c.id))
            .where(or_(reserved != jobs.c.cost, held != expected, incomplete))
            .order_by(jobs.c.seq)
        )
        return self._all(query, WrongJob)

    def charges_without_picture(self) -> tuple[Place, ...]:
        """Pictures that were charged, or given for nothing, and are not there as such."""
        query = _places(quota_entries).outerjoin(images, _settles()).where(_is_of_picture(), images.c.id.is_(None))
        return self._all(query, Place)

    def pictures_without_charge(self) -> tuple[Place, ...]:
        """Without the ledger's word that they were charged, or that they were given for nothing."""
        query = _places(images).outerjoin(quota_entries, _settles()).where(quota_entries.c.id.is_(None))
        return self._all(query, Place)

    def wrong_charges(self) -> tuple[Place, ...]:
        """Of another amount than one picture, or for a picture that the job does not have."""
        wrong = or_(quota_entries.c.amount != 1, _outside(quota_entries.c.picture_index))
        query = _places(quota_entries).join(jobs, _of_job(quota_entries))
        return self._all(query.where(_is_of_picture(), wrong), Place)

    def strayed_entries(self) -> tuple[Place, ...]:
        """Ledger entries on another person or day than the job's."""
        elsewhere = or_(quota_entries.c.user_id != jobs.c.user_id, quota_entries.c.day != jobs.c.day)
        return self._all(_places(quota_entries).join(jobs, _of_job(quota_entries)).where(elsewhere).distinct(), Place)

    def strayed_pictures(self) -> tuple[Place, ...]:
        """Pictures of another person than the job's, or beyond its number of pictures."""
        wrong = or_(images.c.user_id != jobs.c.user_id, _outside(images.c.picture_index))
        return self._all(_places(images).join(jobs, _of_job(images)).where(wrong), Place)

    def files(self) -> tuple[PictureFile, ...]:
        """What all pictures' rows say about their files, deleted ones included: those lie in the bin."""
        deleted = images.c.deleted_at.is_not(None).label("deleted")
        rows = self._connection.execute(select(images.c.id, images.c.path, images.c.size, deleted))
        return tuple(PictureFile(id=row.id, path=row.path, size=row.size, deleted=bool(row.deleted)) for row in rows)

    def _all(self, query: Select[Any], kind: type[Wrong]) -> tuple[Wrong, ...]:
        return tuple(kind(**_numbers(row._asdict())) for row in self._connection.execute(query))


def is_unused(database: Database) -> bool:
    """Whether no version of Atelier ever made its tables here. Raises DatabaseUnreachableError."""
    try:
        with database.execution_options(**{READ_ONLY: True}).connect() as connection:
            return not inspect(connection).has_table(schema.VERSION_TABLE)
    except DBAPIError as error:
        raise schema.DatabaseUnreachableError(type(error.orig).__name__) from None


def require_current(database: Database) -> None:
    """`schema.check` without SQLite's write lock: a server may be at work. Raises what that raises."""
    schema.check(database.execution_options(**{READ_ONLY: True}))


def _sums(*keys: ColumnElement[Any]) -> Subquery:
    """The ledger added up: what was reserved, what of it was used, what is still held, and what was adjusted."""
    reserved, used, released, adjusted = (
        func.sum(case((quota_entries.c.kind == kind, quota_entries.c.amount), else_=0))
        for kind in ("reserve", "commit", "release", "adjust")
    )
    held = (reserved - used - released).label("held")
    sums = (reserved.label("reserved"), used.label("used"), held, adjusted.label("adjusted"))
    return select(*keys, *sums).group_by(*keys).subquery()


def _places(table: Any) -> Select[Any]:  # noqa: ANN401 - a table with a job and a picture's number
    return select(table.c.job_id, table.c.picture_index.label("index")).select_from(table)


def _is_of_picture() -> ColumnElement[bool]:
    """A charge, or the release of what a picture from the cache did not cost; other releases are of whole jobs."""
    free = and_(quota_entries.c.kind == "release", quota_entries.c.picture_index != WHOLE_JOB)
    return or_(quota_entries.c.kind == "commit", free)


def _settles() -> ColumnElement[bool]:
    """Whether an entry says of a picture what the picture says of itself."""
    same_job = images.c.job_id == quota_entries.c.job_id
    said = case((images.c.charged, "commit"), else_="release")
    return and_(same_job, images.c.picture_index == quota_entries.c.picture_index, quota_entries.c.kind == said)


def _of_job(table: Any) -> ColumnElement[bool]:  # noqa: ANN401 - as above
    condition: ColumnElement[bool] = jobs.c.id == table.c.job_id
    return condition


def _outside(index: ColumnElement[int]) -> ColumnElement[bool]:
    return or_(index < 0, index >= jobs.c.count)


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    """MariaDB's sums are decimals."""
    return {name: value if isinstance(value, str | date | None) else int(value) for name, value in values.items()}
