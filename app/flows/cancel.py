"""Ending jobs on purpose: one's own, anybody's for administrators, all of somebody who may no longer generate."""

from app.auth.policy import GRANTS, Permission
from app.domain.errors import ConflictError, NotFoundError
from app.domain.jobs import Job, JobState, is_id
from app.domain.people import Origin, Principal, Role
from app.flows.run import discard_unrecorded, end_in
from app.flows.studio import Studio
from app.store.transaction import Transaction


def cancel(studio: Studio, actor: Principal, job_id: str, origin: Origin) -> Job:
    """End the job now and release what it holds; the engine stops within one denoising step.

    Raises NotFoundError for a job of somebody else, ConflictError for one that has ended.
    """
    job = studio.store.read(lambda tx: tx.jobs.get(job_id)) if is_id(job_id) else None
    if job is None:
        raise NotFoundError
    studio.permit_object(actor, job.user_id, Permission.JOB_CANCEL_ANY, origin, job_id)
    studio.permit(actor, Permission.JOB_CANCEL, origin, job_id)

    def end_now(tx: Transaction) -> Job:
        tx.users.next_revision(job.user_id)  # locks the row that every change of the job locks first
        current = tx.jobs.get(job_id)
        if current is None or not end_in(studio, tx, current, JobState.CANCELLED):
            raise ConflictError("error.job-ended")
        tx.service.announce()
        return tx.jobs.get(job_id) or current

    ended = studio.store.write(end_now)
    stop_working(studio, [ended])
    return ended


def end_jobs_of(studio: Studio, tx: Transaction, user_id: int, role: Role, *, disabled: bool) -> list[Job]:
    """Cancel what somebody who may no longer generate has waiting and running; `stop_working` after the commit."""
    if not disabled and Permission.JOB_CREATE in GRANTS[role]:
        return []
    unfinished = tx.jobs.unfinished(user_id)
    return [job for job in unfinished if end_in(studio, tx, job, JobState.CANCELLED)]


def stop_working(studio: Studio, jobs: list[Job]) -> None:
    """Tell the engine and the open pages that these jobs have ended; what a crash left of them goes."""
    for job in jobs:
        studio.engine.cancel(job.id)
        studio.progress.changed(job.user_id)
        discard_unrecorded(studio, job)
    studio.wake()
