"""Looking at one's own jobs: one, a list, and what changed since the last look."""

import re
from dataclasses import dataclass
from typing import Final

from app.auth.policy import Permission
from app.domain.errors import FieldError, InvalidRequestError, NotFoundError
from app.domain.jobs import Job, JobState, Picture, is_id
from app.domain.people import Origin, Principal
from app.flows.studio import Studio
from app.store.rows import MAX_LIMIT, Page
from app.store.transaction import Transaction

MOST_UNFINISHED: Final = 200
_REV: Final = re.compile(r"([0-9]{1,18})\.([0-9a-f]{8})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with its pictures, and the denoising step it is at while it runs."""

    job: Job
    pictures: tuple[Picture, ...]
    step: int | None
    picture_index: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed, and the opaque `rev` to ask with next time; `version` is what `Progress.wait` waits on.

    `known`: whether the `since` asked with was one of ours, so that it makes sense to wait for more.
    """

    rev: str
    jobs: tuple[JobView, ...]
    version: int
    known: bool


def get_job(studio: Studio, actor: Principal, job_id: str, origin: Origin) -> JobView:
    """Raises NotFoundError for a job that is not there or somebody else's."""
    if not is_id(job_id):
        raise NotFoundError
    found = studio.store.read(lambda tx: _views(studio, tx, _existing(tx.jobs.get(job_id))))[0]
    studio.permit_object(actor, found.job.user_id, Permission.JOB_CANCEL_ANY, origin, job_id)
    studio.permit(actor, Permission.JOB_READ, origin, job_id)
    return found


def list_jobs(
    studio: Studio, actor: Principal, *, state: JobState | None, cursor: str | None, limit: int, origin: Origin
) -> Page[JobView]:
    """Own jobs, newest first."""
    studio.permit(actor, Permission.JOB_READ, origin)
    require_limit(limit)

    def work(tx: Transaction) -> Page[JobView]:
        found = tx.jobs.list(actor.user_id, state, cursor, limit)
        return Page(_views(studio, tx, found.items), found.next_cursor)

    return studio.store.read(work)


def changes(studio: Studio, actor: Principal, since: str | None, origin: Origin) -> Changes:
    """What changed for the actor since `since`; without or with an unknown one, the unfinished jobs."""
    studio.permit(actor, Permission.JOB_READ, origin)
    version = studio.progress.version(actor.user_id)
    found = _REV.fullmatch(since or "")

    def work(tx: Transaction) -> Changes:
        revision = tx.users.revision(actor.user_id)
        known = found if found is not None and int(found[1]) <= revision else None
        if known is None:
            jobs = tx.jobs.unfinished(actor.user_id, limit=MOST_UNFINISHED)
        else:
            seen = int(known[3]) if known[2] == studio.progress.process else -1
            jobs = _changed(studio, tx, actor, int(known[1]), seen)
        rev = f"{revision}.{studio.progress.process}.{version}"
        return Changes(rev, _views(studio, tx, jobs), version, known is not None)

    return studio.store.read(work)


def require_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequestError([FieldError("limit", "field.range", {"min": 1, "max": MAX_LIMIT})])


def _existing(job: Job | None) -> tuple[Job]:
    if job is None:
        raise NotFoundError
    return (job,)


def _changed(studio: Studio, tx: Transaction, actor: Principal, revision: int, seen: int) -> tuple[Job, ...]:
    """Moved since in the database, or stepped since in this process."""
    moved = tx.jobs.changed_since(actor.user_id, revision)
    known = {job.id for job in moved}
    running = (job for job in tx.jobs.unfinished(actor.user_id) if job.state is JobState.RUNNING)
    stepped = [
        job
        for job in running
        if job.id not in known and (live := studio.progress.live(job.id)) is not None and live.version > seen
    ]
    return (*moved, *stepped)


def _views(studio: Studio, tx: Transaction, jobs: tuple[Job, ...]) -> tuple[JobView, ...]:
    pictures = tx.images.of_jobs(job.id for job in jobs)
    return tuple(_view(studio, job, pictures[job.id]) for job in jobs)


def _view(studio: Studio, job: Job, pictures: tuple[Picture, ...]) -> JobView:
    if job.state is not JobState.RUNNING:
        return JobView(job, pictures, None, None)
    live = studio.progress.live(job.id)
    return JobView(job, pictures, live.step if live else 0, live.index if live else 0)
