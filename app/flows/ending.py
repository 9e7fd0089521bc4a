"""How a job ends: once, with what it still holds released, in one transaction with whatever ends it."""

from app.audit.events import JobEnded
from app.audit.recorder import SYSTEM
from app.domain.jobs import Job, JobState
from app.domain.people import Principal
from app.flows.studio import Studio
from app.quota.service import release_rest
from app.scheduler.queue import note_idleness
from app.store.transaction import Transaction


def end(studio: Studio, job: Job, state: JobState, error_code: str | None = None) -> None:
    """End a running job and release what it still holds; nothing happens if it moved meanwhile."""
    studio.store.write(lambda tx: end_in(studio, tx, job, state, error_code))


def end_in(
    studio: Studio,
    tx: Transaction,
    job: Job,
    state: JobState,
    error_code: str | None = None,
    *,
    actor: Principal | None = None,
) -> bool:
    """The same inside a transaction; also for a waiting job. Whether it was ended here; no actor is the machine."""
    now = studio.clock.now()
    revision = tx.users.next_revision(job.user_id)
    if not tx.jobs.move(job, state, {"ended_at": now, "error_code": error_code, "revision": revision}):
        return False
    release_rest(tx, job, error_code or state.value, now, actor.user.username if actor else SYSTEM)
    pictures = len(tx.images.indices(job.id))
    event = JobEnded(subject=job.id, state=state.value, pictures=pictures, reason=error_code or "")
    studio.record(tx, event, actor)
    note_idleness(tx)
    return True
