"""What the picture of a running job promises to be: for the eyes of whoever asked for it, and nobody else."""

from app.auth.policy import Permission
from app.domain.errors import NotFoundError
from app.domain.jobs import is_id
from app.domain.people import Origin, Principal
from app.flows.studio import Studio


def preview(studio: Studio, actor: Principal, job_id: str, origin: Origin) -> bytes:
    """A small WebP. Raises NotFoundError while there is none, and for a job that is somebody else's: no role opens it.

    Only the process that runs the job knows one.
    """
    job = studio.store.read(lambda tx: tx.jobs.get(job_id)) if is_id(job_id) else None
    if job is None:
        raise NotFoundError
    if job.user_id != actor.user_id:
        error = NotFoundError()
        studio.refused(actor, error, Permission.JOB_READ.value, origin, job_id)
        raise error
    studio.permit(actor, Permission.JOB_READ, origin, job_id)
    webp = studio.progress.preview(job_id)
    if webp is None:
        raise NotFoundError
    return webp
