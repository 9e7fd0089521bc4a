"""Jobs. Each move between states is a compare-and-set, so that of two movers one wins."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import CursorResult, Row, Select, func, insert, select, update

from app.domain.jobs import MOVES, UNFINISHED, Job, JobState
from app.store.rows import Page, Repository, before, page
from app.store.tables import images, jobs, users

_UNFINISHED = tuple(state.value for state in UNFINISHED)


class Jobs(Repository):
    def add(self, values: Mapping[str, Any]) -> None:
        self._connection.execute(insert(jobs).values(**values))

    def get(self, job_id: str) -> Job | None:
        row = self._connection.execute(_select().where(jobs.c.id == job_id)).one_or_none()
        return None if row is None else _job(row)

    def waiting(self, user_id: int) -> int:
        query = select(func.count()).where(jobs.c.user_id == user_id, jobs.c.state == JobState.QUEUED.value)
        return self._connection.scalar(query) or 0

    def of_token(self, token_id: str, day: date) -> int:
        """Pictures of that day which the token has made or still holds: a job that ended counts what it gave."""
        ours = (jobs.c.token_id == token_id) & (jobs.c.day == day)
        held = select(func.coalesce(func.sum(jobs.c.cost), 0)).where(ours, jobs.c.state.in_(_UNFINISHED))
        made = select(func.count()).select_from(images.join(jobs, jobs.c.id == images.c.job_id))
        made = made.where(ours, jobs.c.state.not_in(_UNFINISHED))
        return int(self._connection.scalar(held) or 0) + (self._connection.scalar(made) or 0)

    def oldest_waiting(self) -> Job | None:
        query = _select().where(jobs.c.state == JobState.QUEUED.value).order_by(jobs.c.seq).limit(1)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _job(row)

    def unfinished(self, user_id: int | None = None, *, limit: int | None = None) -> tuple[Job, ...]:
        """Running jobs first, then the queue in its order; of one user or of all."""
        query = _select().where(jobs.c.state.in_(_UNFINISHED))
        if user_id is not None:
            query = query.where(jobs.c.user_id == user_id)
        query = query.order_by(jobs.c.state.desc(), jobs.c.seq).limit(limit)
        return tuple(_job(row) for row in self._connection.execute(query))

    def changed_since(self, user_id: int, revision: int) -> tuple[Job, ...]:
        query = _select().where(jobs.c.user_id == user_id, jobs.c.revision > revision).order_by(jobs.c.revision)
        return tuple(_job(row) for row in self._connection.execute(query))

    def list(self, user_id: int, state: JobState | None, cursor: str | None, limit: int) -> Page[Job]:
        """Own jobs, newest first."""
        query, label = _select().where(jobs.c.user_id == user_id), f"jobs/{user_id}"
        if state is not None:
            query = query.where(jobs.c.state == state.value)
        if (last := before(cursor, label)) is not None:
            query = query.where(jobs.c.seq < last)
        rows = self._connection.execute(query.order_by(jobs.c.seq.desc()).limit(limit + 1)).all()
        return page(rows, limit, _job, "seq", label)

    def move(self, job: Job, to: JobState, values: Mapping[str, Any]) -> bool:
        """Move `job` from the state and attempt it was read in; False when somebody moved it before."""
        if to not in MOVES[job.state]:
            return False
        unmoved = (jobs.c.id == job.id) & (jobs.c.state == job.state.value) & (jobs.c.attempt == job.attempt)
        result: CursorResult[Any] = self._connection.execute(
            update(jobs).where(unmoved).values(state=to.value, **values)
        )
        return result.rowcount == 1

    def touch(self, job_id: str, revision: int) -> None:
        """Note that something about the job changed, for the long poll."""
        self._connection.execute(update(jobs).where(jobs.c.id == job_id).values(revision=revision))


def _select() -> Select[Any]:
    columns = [column for column in jobs.c if column.name not in {"ip_address", "token_id"}]
    return select(*columns, users.c.username).join(users, users.c.id == jobs.c.user_id)


def _job(row: Row[Any]) -> Job:
    values = {field: getattr(row, field) for field in Job.__dataclass_fields__ if field != "count"}
    # A row is a tuple, and a tuple has a method of this name.
    return Job(**values | {"state": JobState(row.state), "count": row._mapping["count"]})  # noqa: SLF001
