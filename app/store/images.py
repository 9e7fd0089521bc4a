"""Pictures. A deleted picture keeps its row: the log and the quota stand on it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import CursorResult, Row, Select, bindparam, insert, select, update

from app.domain.editing import denoising_steps
from app.domain.jobs import Picture
from app.store.rows import Page, Repository, before, page
from app.store.tables import images, jobs, users

# SQLite takes so many parameters and more.
AT_ONCE: Final = 500


class Images(Repository):
    def add(self, values: Mapping[str, Any]) -> None:
        self._connection.execute(insert(images).values(favourite=False, **values))

    def indices(self, job_id: str) -> frozenset[int]:
        """Which pictures of the job exist already, deleted ones included: they were charged."""
        return frozenset(self._connection.scalars(_INDICES, {"job": job_id}))

    def get(self, image_id: str) -> Picture | None:
        row = self._connection.execute(_select().where(images.c.id == image_id)).one_or_none()
        return None if row is None else _picture(row)

    def of_jobs(self, job_ids: Iterable[str]) -> dict[str, tuple[Picture, ...]]:
        wanted = tuple(job_ids)
        found: dict[str, list[Picture]] = {job_id: [] for job_id in wanted}
        query = _select().where(images.c.job_id.in_(wanted)).order_by(images.c.picture_index)
        for row in self._connection.execute(query) if wanted else ():
            found[row.job_id].append(_picture(row))
        return {job_id: tuple(pictures) for job_id, pictures in found.items()}

    def list(self, user_id: int, cursor: str | None, limit: int) -> Page[Picture]:
        """Own pictures, newest first."""
        query, label = _select().where(images.c.user_id == user_id), f"images/{user_id}"
        if (last := before(cursor, label)) is not None:
            query = query.where(images.c.seq < last)
        rows = self._connection.execute(query.order_by(images.c.seq.desc()).limit(limit + 1)).all()
        return page(rows, limit, _picture, "seq", label)

    def known(self, image_ids: Iterable[str]) -> frozenset[str]:
        """Which of these have a row, deleted ones included."""
        wanted, found = tuple(image_ids), set[str]()
        for begin in range(0, len(wanted), AT_ONCE):
            query = select(images.c.id).where(images.c.id.in_(wanted[begin : begin + AT_ONCE]))
            found.update(self._connection.scalars(query))
        return frozenset(found)

    def shown(self, image_ids: Iterable[str]) -> frozenset[str]:
        """Which of these nobody has deleted, and belong to somebody who may still sign in."""
        wanted, found = tuple(image_ids), set[str]()
        for begin in range(0, len(wanted), AT_ONCE):
            query = select(images.c.id).join(users, users.c.id == images.c.user_id)
            query = query.where(images.c.id.in_(wanted[begin : begin + AT_ONCE]))
            query = query.where(images.c.deleted_at.is_(None), users.c.disabled_at.is_(None))
            found.update(self._connection.scalars(query))
        return frozenset(found)

    def newest(self, limit: int) -> tuple[Picture, ...]:
        """Of everybody, the newest first."""
        rows = self._connection.execute(_select().order_by(images.c.seq.desc()).limit(limit))
        return tuple(_picture(row) for row in rows)

    def recent_times(self, limit: int) -> tuple[tuple[int, int, float], ...]:
        """Of the newest pictures that were made, oldest first: pixels, steps of them, seconds."""
        query = select(images.c.width * images.c.height, jobs.c.steps, jobs.c.strength, images.c.seconds)
        query = query.join(jobs, jobs.c.id == images.c.job_id).where(~images.c.cached)
        rows = self._connection.execute(query.order_by(images.c.seq.desc()).limit(limit)).all()
        return tuple(
            (int(pixels), denoising_steps(int(steps), strength), float(seconds))
            for pixels, steps, strength, seconds in reversed(rows)
        )

    def delete(self, image_id: str, at: datetime) -> bool:
        """Whether it was there."""
        there = (images.c.id == image_id) & images.c.deleted_at.is_(None)
        result: CursorResult[Any] = self._connection.execute(update(images).where(there).values(deleted_at=at))
        return result.rowcount == 1


# What every click asks is built once: building takes longer than finding.
_INDICES: Final = select(images.c.picture_index).where(images.c.job_id == bindparam("job"))


@cache
def _select() -> Select[Any]:
    return (
        select(
            *(column for column in images.c if column.name != "deleted_at"),
            jobs.c.prompt,
            jobs.c.negative_prompt,
            jobs.c.steps,
            jobs.c.guidance_scale,
        )
        .join(jobs, jobs.c.id == images.c.job_id)
        .where(images.c.deleted_at.is_(None))
    )


def _picture(row: Row[Any]) -> Picture:
    fields = Picture.__dataclass_fields__
    values = {field: getattr(row, field) for field in fields if field != "index"}
    return Picture(index=row.picture_index, **values)
