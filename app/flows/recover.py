"""What a crash left behind is put back in order, by whoever owns the queue."""

import contextlib
import logging
import time
from typing import Final

from app.domain.errors import StudioError, UnavailableError
from app.domain.jobs import Job
from app.flows.pictures import discard_unrecorded
from app.flows.reconcile import reconcile
from app.flows.run import hand_back
from app.flows.studio import Studio
from app.flows.submit import forget_keys
from app.flows.uploads import sweep_uploads
from app.logs import where
from app.scheduler.queue import may_take_over

log = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 3600.0


class Reaping:
    """Called now and then by whoever owns the queue."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._next_sweep = 0.0

    def __call__(self) -> None:
        recover(self._studio, lost=True)
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + SWEEP_SECONDS
            try:
                sweep_uploads(self._studio)
            except OSError as error:  # as below
                log.error("uploads could not be swept: %s", error.strerror)
            with contextlib.suppress(UnavailableError):  # an old one that is left is told from a new one all the same
                forget_keys(self._studio)


class Recovery:
    """Called before anything is claimed. After the start a running job means a crash, which counts against it; later
    it only means that the database or the lock was away for a while."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._after_start = True

    def __call__(self) -> None:
        if self._after_start:
            try:
                reconcile(self._studio)
            except OSError as error:  # somebody else's files must not keep the queue from working
                log.error("files could not be put in order: %s", error.strerror)
        recover(self._studio, lost=self._after_start)
        self._after_start = False


def recover(studio: Studio, *, lost: bool) -> None:
    """Jobs that nobody runs any more wait again in front; their unrecorded files go. Reservations stay."""
    found = _given_up(studio)
    for job in found:
        try:
            # First of all: from here on no late result of that attempt is recorded.
            hand_back(studio, job, lost=lost)
            discard_unrecorded(studio, job)
        except StudioError:
            raise
        except Exception as error:  # one job that cannot be ended must not stop everybody's
            log.error("job %s cannot be put back: %s", job.id, type(error).__name__, exc_info=where(error))
    if found:
        studio.queue_changed(*{job.user_id for job in found})
        log.warning("%d unfinished jobs wait again", len(found))


def _given_up(studio: Studio) -> list[Job]:
    running = studio.store.read(lambda tx: tx.jobs.running())
    # In this order: whoever claims a job has said before that it runs here.
    here, now = set(studio.progress.running()), studio.clock.now()
    return [
        job
        for job in running
        if job.id not in here and may_take_over(job, worker=studio.worker, now=now, alone=studio.alone)
    ]
