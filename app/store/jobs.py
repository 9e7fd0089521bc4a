"""Jobs. Each move between states is a compare-and-set, so that of two movers one wins."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, CursorResult, Row, Select, bindparam, func, insert, select, update

from app.domain.editing import denoising_steps
from app.domain.jobs import MOVES, UNFINISHED, Job, JobState
from app.domain.loras import loras_of
from app.domain.people import Role
from app.store.rows import Page, Repository, before, page
from app.store.tables import images, jobs, roles, users

_UNFINISHED = tuple(state.value for state in UNFINISHED)


class InLine(NamedTuple):
    """What the order and the time of a waiting job depend on."""

    vstart: int
    last_served: int
    seq: int
    user_id: int
    width: int
    height: int
    steps: int
    strength: float | None
    pictures: int

    @property
    def denoising_steps(self) -> int:
        """How many of `steps` are really made."""
        return denoising_steps(self.steps, self.strength)


class NextInLine(NamedTuple):
    """Whose turn it is; everything else is read once the owner's row is locked."""

    id: str
    user_id: int


class Jobs(Repository):
    def add(self, values: Mapping[str, Any]) -> None:
        self._connection.execute(insert(jobs).values(**values))

    def get(self, job_id: str) -> Job | None:
        row = self._connection.execute(_by_id(), {"job": job_id}).one_or_none()
        return None if row is None else _job(row)

    def waiting(self, user_id: int) -> int:
        query = select(func.count()).where(jobs.c.user_id == user_id, _is_queued())
        return self._connection.scalar(query) or 0

    def of_token(self, token_id: str, day: date) -> int:
        """Pictures of that day which the token has made or still holds: a job that ended counts what it charged."""
        ours = (jobs.c.token_id == token_id) & (jobs.c.day == day)
        held = select(func.coalesce(func.sum(jobs.c.cost), 0)).where(ours, jobs.c.state.in_(_UNFINISHED))
        made = select(func.count()).select_from(images.join(jobs, jobs.c.id == images.c.job_id))
        made = made.where(ours, jobs.c.state.not_in(_UNFINISHED), images.c.charged)
        return int(self._connection.scalar(held) or 0) + (self._connection.scalar(made) or 0)

    def last_turn(self, user_id: int, *, bulk: bool) -> int:
        """Where the last turn of the user's waiting jobs of that class ends in virtual time; 0 without any."""
        mine = (jobs.c.user_id == user_id) & _is_queued() & (jobs.c.bulk == bulk)
        return self._connection.scalar(select(func.max(jobs.c.vfinish)).where(mine)) or 0

    def next_in_line(self) -> NextInLine | None:
        """The waiting job whose turn begins first, then whose owner was served longest ago, then the older click.

        Not of somebody who has as many running as the role allows.
        """
        row = self._connection.execute(_next_in_line()).one_or_none()
        return None if row is None else NextInLine._make(row)

    def any_unfinished(self) -> bool:
        query = select(jobs.c.seq).where(jobs.c.state.in_(_UNFINISHED)).limit(1)
        return self._connection.scalar(query) is not None

    def line(self, limit: int) -> tuple[InLine, ...]:
        """The beginning of the queue in its order."""
        wanted = (jobs.c.vstart, users.c.last_served, jobs.c.seq, jobs.c.user_id)
        query = select(*wanted, jobs.c.width, jobs.c.height, jobs.c.steps, jobs.c.strength, jobs.c.count)
        query = query.join(users, users.c.id == jobs.c.user_id).where(_is_queued())
        return tuple(InLine._make(row) for row in self._connection.execute(query.order_by(*_ORDER).limit(limit)))

    def count_before(self, job: Job) -> int:
        """How many wait whose turn begins earlier, or at the same time with an older click."""
        earlier = (jobs.c.vstart < job.vstart) | ((jobs.c.vstart == job.vstart) & (jobs.c.seq < job.seq))
        return self._connection.scalar(select(func.count()).where(_is_queued(), earlier)) or 0

    def clicked_since(self, seq: int, limit: int) -> tuple[Job, ...]:
        """What waits of the clicks after that one, the oldest first."""
        query = _select().where(jobs.c.seq > seq, _is_queued()).order_by(jobs.c.seq).limit(limit)
        return tuple(_job(row) for row in self._connection.execute(query))

    def waiting_of(self, user_id: int, *, bulk: bool) -> tuple[Job, ...]:
        """What one person has waiting of that class, in its order."""
        query = _select().where(jobs.c.user_id == user_id, _is_queued(), jobs.c.bulk == bulk)
        return tuple(_job(row) for row in self._connection.execute(query.order_by(jobs.c.vstart, jobs.c.seq)))

    def running(self) -> tuple[Job, ...]:
        query = _select().where(jobs.c.state == JobState.RUNNING.value).order_by(jobs.c.seq)
        return tuple(_job(row) for row in self._connection.execute(query))

    def owners_waiting(self, role: Role) -> tuple[int, ...]:
        """Whoever has that role and something waiting."""
        query = select(jobs.c.user_id).distinct().join(users, users.c.id == jobs.c.user_id)
        return tuple(self._connection.scalars(query.where(_is_queued(), users.c.role == role.value)))

    def set_turn(self, job_id: str, vstart: int, vfinish: int) -> None:
        self._connection.execute(update(jobs).where(jobs.c.id == job_id).values(vstart=vstart, vfinish=vfinish))

    def renew(self, worker: str, until: datetime) -> None:
        """What this worker runs is believed to run until then."""
        mine = (jobs.c.worker == worker) & (jobs.c.state == JobState.RUNNING.value)
        self._connection.execute(update(jobs).where(mine).values(lease_until=until))

    def unfinished(self, user_id: int | None = None, *, limit: int | None = None) -> tuple[Job, ...]:
        """Running jobs first, then the queue in its order; of one user or of all."""
        query = _select().where(jobs.c.state.in_(_UNFINISHED))
        if user_id is not None:
            query = query.where(jobs.c.user_id == user_id)
        query = query.order_by(jobs.c.state.desc(), *_ORDER).limit(limit)
        return tuple(_job(row) for row in self._connection.execute(query))

    def begins_with(self, user_id: int) -> frozenset[str]:
        """The pictures and uploads that the user's unfinished jobs begin with."""
        mine = (jobs.c.user_id == user_id) & jobs.c.state.in_(_UNFINISHED)
        rows = self._connection.execute(select(jobs.c.image, jobs.c.mask).where(mine)).all()
        return frozenset(each for row in rows for each in row if each is not None)

    def changed_since(self, user_id: int, revision: int) -> tuple[Job, ...]:
        asked = {"owner": user_id, "seen": revision}
        return tuple(_job(row) for row in self._connection.execute(_changed_since(), asked))

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


_ORDER: Final = (jobs.c.vstart, users.c.last_served, jobs.c.seq)


@cache
def _next_in_line() -> Select[tuple[str, int]]:
    """Built once, as all that is asked at every click: building takes longer than finding."""
    may_run = _is_queued() & jobs.c.user_id.not_in(_at_their_limit())
    first = select(jobs.c.vstart).where(may_run).order_by(jobs.c.vstart).limit(1).scalar_subquery()
    ties = select(jobs.c.id, jobs.c.user_id).join(users, users.c.id == jobs.c.user_id)
    return ties.where(may_run, jobs.c.vstart == first).order_by(users.c.last_served, jobs.c.seq).limit(1)


def _at_their_limit() -> Select[tuple[int]]:
    """Whoever has as many running as the role allows."""
    running = jobs.alias("running")
    return (
        select(running.c.user_id)
        .join(users, users.c.id == running.c.user_id)
        .join(roles, roles.c.name == users.c.role)
        .where(running.c.state == JobState.RUNNING.value)
        .group_by(running.c.user_id, roles.c.max_running)
        .having(func.count() >= roles.c.max_running)
    )


def _is_queued() -> ColumnElement[bool]:
    return jobs.c.state == JobState.QUEUED.value


@cache
def _select() -> Select[Any]:
    columns = [column for column in jobs.c if column.name not in {"ip_address", "token_id"}]
    return select(*columns, users.c.username).join(users, users.c.id == jobs.c.user_id)


@cache
def _by_id() -> Select[Any]:
    return _select().where(jobs.c.id == bindparam("job"))


@cache
def _changed_since() -> Select[Any]:
    news = (jobs.c.user_id == bindparam("owner")) & (jobs.c.revision > bindparam("seen"))
    return _select().where(news).order_by(jobs.c.revision)


def _job(row: Row[Any]) -> Job:
    values = {field: getattr(row, field) for field in Job.__dataclass_fields__ if field != "count"}
    # A row is a tuple, and a tuple has a method of this name.
    values |= {"state": JobState(row.state), "loras": loras_of(row.loras), "count": row._mapping["count"]}  # noqa: SLF001
    return Job(**values)
