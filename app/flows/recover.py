"""At the start of whoever owns the queue: what a crash left behind is put back in order."""

import logging

from app.domain.jobs import JobState
from app.flows.run import discard_unrecorded, hand_back
from app.flows.studio import Studio

log = logging.getLogger(__name__)


class Recovery:
    """Called before anything is claimed. After the start a running job means a crash, which counts against it; later
    it only means that the database or the lock was away for a while."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._after_crash = True

    def __call__(self) -> None:
        recover(self._studio, lost=self._after_crash)
        self._after_crash = False


def recover(studio: Studio, *, lost: bool) -> None:
    """Jobs that were running wait again in front; half-written and unrecorded files go. Reservations stay."""
    studio.vault.sweep()
    running = [job for job in studio.store.read(lambda tx: tx.jobs.unfinished()) if job.state is JobState.RUNNING]
    for job in running:
        discard_unrecorded(studio, job)
        hand_back(studio, job, lost=lost)
        studio.progress.forget(job.id, job.user_id)
    if running:
        log.warning("%d unfinished jobs of the last run wait again", len(running))
