"""Looking at one's own jobs: one, a list, and what changed since the last look."""

import math
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from app.auth.policy import Permission, allows
from app.domain.errors import FieldError, InvalidRequestError, NotAuthenticatedError, NotFoundError
from app.domain.jobs import Job, JobState, Picture, is_id
from app.domain.people import Origin, Principal
from app.flows.identify import role_in
from app.flows.places import placing
from app.flows.studio import Studio
from app.scheduler.line import Place
from app.scheduler.progress import NOTHING_DONE
from app.store.rows import MAX_LIMIT, Page
from app.store.transaction import Transaction

MOST_UNFINISHED: Final = 200
NOWHERE: Final = Place(None, None)
_REV: Final = re.compile(r"([0-9]{1,18})\.([0-9a-f]{8})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with its pictures, its place in the queue, and the denoising step it is at while it runs.

    `eta_seconds` until its last picture is there; None where nobody can know. `preview` changes with what can
    be seen of the picture in the making.
    """

    job: Job
    pictures: tuple[Picture, ...]
    position: int | None
    eta_seconds: int | None
    step: int | None
    picture_index: int | None
    preview: int | None


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
    found = studio.store.read(lambda tx: job_views(studio, tx, _existing(tx.jobs.get(job_id))))[0]
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
        return Page(job_views(studio, tx, found.items), found.next_cursor)

    return studio.store.read(work)


def changes(studio: Studio, actor: Principal, since: str | None, origin: Origin) -> Changes:
    """What changed for the actor since `since`; without or with an unknown one, the unfinished jobs."""
    studio.permit(actor, Permission.JOB_READ, origin)
    version = studio.progress.version(actor.user_id)
    return studio.store.read(lambda tx: _changes(studio, tx, actor, since, version))


def changes_later(studio: Studio, actor: Principal, since: str | None) -> Changes | None:
    """The same for whoever asked and waited; None if the actor's role is another one by now.

    Raises NotAuthenticatedError once what proved the actor has ended.
    """
    version = studio.progress.version(actor.user_id)

    def work(tx: Transaction) -> Changes | None:
        # Whatever woke the actor may have ended this very session, or changed what it may see from now on.
        role = role_in(studio, tx, actor)
        if role is None:
            raise NotAuthenticatedError
        return _changes(studio, tx, actor, since, version) if role is actor.user.role else None

    return studio.store.read(work)


def unchanged(studio: Studio, actor: Principal, since: str | None) -> Changes | None:
    """That nothing has changed since then, if this process alone can tell; it takes no time.

    What another process did wakes whoever waits for it: the watcher looks at everybody who is new among them.
    """
    version = studio.progress.version(actor.user_id)
    if not allows(actor, Permission.JOB_READ) or since is None or _REV.fullmatch(since) is None:
        return None
    return Changes(since, (), version, known=True) if since.endswith(_told_here(studio, version)) else None


def _changes(studio: Studio, tx: Transaction, actor: Principal, since: str | None, version: int) -> Changes:
    found = _REV.fullmatch(since or "")
    revision = tx.users.revision(actor.user_id)
    known = found if found is not None and int(found[1]) <= revision else None
    if known is None:
        jobs = tx.jobs.unfinished(actor.user_id, limit=MOST_UNFINISHED)
    else:
        # Steps and places of another process' numbering say nothing here; what moved in the database does.
        seen = int(known[3]) if known[2] == studio.progress.process else version
        jobs = tx.jobs.changed_since(actor.user_id, int(known[1]))
        if version > seen:
            jobs += _stepped(studio, tx, actor, seen, {job.id for job in jobs})
    rev = f"{revision}{_told_here(studio, version)}"
    return Changes(rev, job_views(studio, tx, jobs), version, known is not None)


def _told_here(studio: Studio, version: int) -> str:
    return f".{studio.progress.process}.{version}"


def require_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequestError([FieldError("limit", "field.range", {"min": 1, "max": MAX_LIMIT})])


def _existing(job: Job | None) -> tuple[Job]:
    if job is None:
        raise NotFoundError
    return (job,)


def _stepped(studio: Studio, tx: Transaction, actor: Principal, seen: int, known: Container[str]) -> tuple[Job, ...]:
    """Beside the known ones: stepped since, as this process knows, or at another place in the queue."""
    stepped = studio.progress.stepped(actor.user_id, seen)
    if studio.progress.moved_at(actor.user_id) > seen:
        jobs = [job for job in tx.jobs.unfinished(actor.user_id, limit=MOST_UNFINISHED) if _is_news(job, stepped)]
    else:
        jobs = [job for job in map(tx.jobs.get, stepped) if job is not None and job.state is JobState.RUNNING]
    return tuple(job for job in jobs if job.id not in known)


def _is_news(job: Job, stepped: Container[str]) -> bool:
    """Where the places have moved."""
    return job.state is JobState.QUEUED or job.id in stepped


def job_views(studio: Studio, tx: Transaction, jobs: tuple[Job, ...]) -> tuple[JobView, ...]:
    """Each job as its owner, or somebody who steers the queue, may see it."""
    pictures = tx.images.of_jobs(job.id for job in jobs)
    placed = placing(studio, tx)
    return tuple(_view(studio, job, pictures[job.id], placed(job, len(pictures[job.id]))) for job in jobs)


def _view(studio: Studio, job: Job, pictures: tuple[Picture, ...], place: Place | None) -> JobView:
    place = place or NOWHERE
    step = index = preview = None
    if job.state is JobState.RUNNING and job.worker == studio.worker:  # no other process tells its steps
        live = studio.progress.live(job.id) or NOTHING_DONE
        step, index, preview = live.step, live.index, live.preview
    eta = None if place.seconds is None else math.ceil(place.seconds)
    return JobView(job, pictures, place.position, eta, step, index, preview)
