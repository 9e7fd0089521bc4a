"""The queue's moves: next in line, claimed, given back."""

from datetime import datetime

from app.domain.jobs import Job, JobState
from app.store.transaction import Transaction


def claim_next(tx: Transaction, now: datetime) -> Job | None:
    """Claim the job that is next, or None. The claim raises `attempt`, which fences late results."""
    waiting = tx.jobs.oldest_waiting()
    if waiting is None:
        return None
    revision = tx.users.next_revision(waiting.user_id)
    values = {"attempt": waiting.attempt + 1, "started_at": now, "revision": revision}
    if not tx.jobs.move(waiting, JobState.RUNNING, values):
        return None
    return tx.jobs.get(waiting.id)


def give_back(tx: Transaction, job: Job, *, lost: bool) -> bool:
    """Put a running job back in its old place; `lost` counts a crash under it. False if it moved meanwhile."""
    revision = tx.users.next_revision(job.user_id)
    values = {"losses": job.losses + int(lost), "started_at": None, "revision": revision}
    return tx.jobs.move(job, JobState.QUEUED, values)
