"""Noticing what another process changed: a cancelled job, a paused queue, a disabled person; and keeping leases."""

import contextlib
import threading
import time
from typing import Final

from app.domain.errors import UnavailableError
from app.domain.jobs import JobState
from app.flows.engine_wishes import EngineTold, carry_out
from app.flows.places import Told, tell_moves
from app.flows.run import LEASE, lease
from app.flows.studio import Studio
from app.store.service import ServiceRow
from app.store.transaction import Transaction

RENEW_SECONDS: Final = LEASE.total_seconds() / 4
# Positions are told at most so often, and more slowly when very many wait.
TELL_SECONDS: Final = 1.0
TELL_EACH: Final = 0.02


class Watcher:
    """Called several times a second. It asks the database for a few rows, and looks closer only when they moved."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._announced: int | None = None
        self._state: tuple[bool, bool] | None = None
        self._revisions: dict[int, int] = {}
        self._told: Told = {}
        self._engine_told = EngineTold(studio)
        self._next_tell = self._next_renewal = 0.0
        self._one_at_a_time = threading.Lock()

    def look_quietly(self) -> None:
        """The same for a caller that cannot handle a missing database; the next poll tells."""
        with contextlib.suppress(UnavailableError):
            self.look()

    def look(self) -> None:
        """Stop the engine for jobs that have ended elsewhere, wake whoever waits for what changed."""
        studio = self._studio
        with self._one_at_a_time:
            running = studio.progress.running()
            service, ended, revisions = studio.store.read(lambda tx: self._ask(tx, running))
            for job_id in ended:
                studio.engine.cancel(job_id)
            if running and time.monotonic() >= self._next_renewal:
                studio.store.write(lambda tx: tx.jobs.renew(studio.worker, lease(studio).until))
                self._next_renewal = time.monotonic() + RENEW_SECONDS
            # Whoever is new here has looked a moment ago, or a moment too early: once more does no harm.
            moved = [user_id for user_id, revision in revisions.items() if self._revisions.get(user_id) != revision]
            self._revisions = revisions
            news, self._announced = service.revision != self._announced, service.revision
            state = (service.paused, service.draining)
            steered, self._state = self._state not in {None, state}, state
        if moved or news:
            studio.line.changed()
        for user_id in moved:
            studio.progress.changed(user_id)
        if news:
            studio.identities.changed()
            studio.progress.changed()
        if steered:
            studio.progress.note()
        if not studio.wishes.begun:
            studio.wishes.begin(service.engine_wish)
        carry_out(studio, service)
        self._engine_told.tell()
        self._tell_moves()

    def _ask(self, tx: Transaction, running: tuple[str, ...]) -> tuple[ServiceRow, list[str], dict[int, int]]:
        """The service's state, which of our jobs have ended, how often the jobs of those who wait have changed."""
        jobs = {job_id: tx.jobs.get(job_id) for job_id in running}
        ended = [job_id for job_id, job in jobs.items() if job is None or job.state is not JobState.RUNNING]
        awaited = self._studio.progress.awaited()
        return tx.service.get(), ended, tx.users.revisions(awaited) if awaited else {}

    def _tell_moves(self) -> None:
        if time.monotonic() >= self._next_tell:
            self._told = tell_moves(self._studio, self._told)
            self._next_tell = time.monotonic() + max(TELL_SECONDS, TELL_EACH * len(self._told))
