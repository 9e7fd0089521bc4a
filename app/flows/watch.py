"""Noticing what another process changed: a cancelled job, a paused queue, a disabled person."""

import contextlib
import threading

from app.domain.errors import UnavailableError
from app.domain.jobs import JobState
from app.flows.studio import Studio


class Watcher:
    """Compares the revision row; looks closer only when it moved."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._seen: int | None = None
        self._one_at_a_time = threading.Lock()

    def look_quietly(self) -> None:
        """The same for a caller that cannot handle a missing database; the next poll tells."""
        with contextlib.suppress(UnavailableError):
            self.look()

    def look(self) -> None:
        """Stop the engine for jobs that have ended elsewhere, wake the long polls."""
        studio = self._studio
        with self._one_at_a_time:
            revision = studio.store.read(lambda tx: tx.service.get()).revision
            if revision == self._seen:
                return
            for job_id in studio.progress.running():
                if not _still_runs(studio, job_id):
                    studio.engine.cancel(job_id)
            self._seen = revision
        studio.identities.changed()
        studio.progress.changed()


def _still_runs(studio: Studio, job_id: str) -> bool:
    job = studio.store.read(lambda tx: tx.jobs.get(job_id))
    return job is not None and job.state is JobState.RUNNING
