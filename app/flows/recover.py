"""At the start of whoever owns the queue: what a crash left behind is put back in order."""

import logging

from app.domain.jobs import JobState
from app.flows.run import discard_unrecorded, hand_back
from app.flows.studio import Studio

log = logging.getLogger(__name__)


def recover(studio: Studio) -> None:
    """Jobs that were running wait again in front; their unrecorded files go. Reservations stay."""
    running = [job for job in studio.store.read(lambda tx: tx.jobs.unfinished()) if job.state is JobState.RUNNING]
    for job in running:
        discard_unrecorded(studio, job)
        hand_back(studio, job, lost=True)
        studio.progress.forget(job.id, job.user_id)
    if running:
        log.warning("%d unfinished jobs of the last run wait again", len(running))
