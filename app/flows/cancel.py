"""Ending jobs on purpose: one's own, anybody's for administrators, all of somebody who may no longer generate."""

from app.auth.policy import GRANTS, Permission
from app.domain.errors import ConflictError, NotFoundError
from app.domain.jobs import Job, JobState, is_id
from app.domain.people import Origin, Principal, User
from app.flows.ending import end_in
from app.flows.pictures import discard_unrecorded
from app.flows.studio import Studio
from app.scheduler.queue import set_turns_anew
from app.store.transaction import Transaction


def cancel(studio: Studio, actor: Principal, job_id: str, origin: Origin) -> Job:
    """End the job now and release what it holds; the engine stops within one denoising step.

    What else its owner has waiting moves up.

    Raises NotFoundError for a job of somebody else, ConflictError for one that has ended.
    """
    job = studio.store.read(lambda tx: tx.jobs.get(job_id)) if is_id(job_id) else None
    if job is None:
        raise NotFoundError
    studio.permit_object(actor, job.user_id, Permission.JOB_CANCEL_ANY, origin, job_id)
    studio.permit(actor, Permission.JOB_CANCEL, origin, job_id)

    def end_now(tx: Transaction) -> Job:
        tx.users.next_revision(job.user_id)  # locks the row that every change of the job locks first
        current, owner = tx.jobs.get(job_id), tx.users.get(job.user_id)
        if current is None or owner is None or not end_in(studio, tx, current, JobState.CANCELLED, actor=actor):
            raise ConflictError("error.job-ended")
        if current.state is JobState.QUEUED:
            set_turns_anew(tx, owner.user.id, owner.limits.weight)
        return tx.jobs.get(job_id) or current

    ended = studio.store.write(end_now)
    stop_working(studio, [ended])
    return ended


def end_jobs_of(studio: Studio, tx: Transaction, user: User, actor: Principal) -> list[Job]:
    """Cancel what somebody who may no longer generate has waiting and running; `stop_working` after the commit."""
    if user.disabled_at is None and Permission.JOB_CREATE in GRANTS[user.role]:
        return []
    unfinished = tx.jobs.unfinished(user.id)
    return [job for job in unfinished if end_in(studio, tx, job, JobState.CANCELLED, actor=actor)]


def stop_working(studio: Studio, jobs: list[Job]) -> None:
    """Tell the engine and the open pages that these jobs have ended; what a crash left of them goes."""
    for job in jobs:
        studio.engine.cancel(job.id)
    studio.queue_changed(*{job.user_id for job in jobs})
    for job in jobs:
        discard_unrecorded(studio, job)
