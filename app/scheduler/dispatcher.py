"""One thread that claims jobs, one for each job that runs, one that watches for what other processes changed.

It knows neither quota nor engine: it is given what to call. The next job is claimed as soon as the engine is done with
the last one's steps, while that one is still being decoded, kept and settled: the engine never waits for a disk. Where
the next one in line may share the steps of those that are at work, it is claimed at once.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.errors import StudioError
from app.domain.jobs import Job
from app.logs import where

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.25
AFTER_ERROR_SECONDS: Final = 1.0
# Jobs that the engine is done with and that are not settled yet: more mean that the database or the disk is in trouble.
MAX_UNSETTLED: Final = 3
REAP_SECONDS: Final = 2.0
LONGEST_UNREAPED: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """What the dispatcher calls. `leads` says whether this process owns the queue; `recover` clears up after
    whoever owned it before, `reap` now and then after a process that ended without a word; `watch` notices what other
    processes changed. `claim` gets the jobs that are at the engine, and claims one that can begin beside them. `run`
    gets the job and what to call once the engine may begin the next one."""

    leads: Callable[[], bool]
    recover: Callable[[], None]
    reap: Callable[[], None]
    ready: Callable[[], bool]
    claim: Callable[[Sequence[Job]], Job | None]
    run: Callable[[Job, Callable[[], None]], None]
    watch: Callable[[], None]


class Dispatcher:
    """Started once, stopped once."""

    def __init__(self, duties: Duties) -> None:
        self._duties = duties
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._unclear = True
        self._reaped = 0.0
        self._lock = threading.Lock()
        # Guarded by the lock: who is at the engine, and the threads of all jobs that are not settled.
        self._at_engine: list[Job] = []
        self._unsettled: set[threading.Thread] = set()
        self._threads = [
            threading.Thread(target=self._dispatch, name="dispatcher", daemon=True),
            threading.Thread(target=self._watch, name="watcher", daemon=True),
        ]

    @property
    def is_clear(self) -> bool:
        """Whether this process owns the queue, and nothing of before is in disorder."""
        return not self._unclear

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Something may be ready to run."""
        self._wake.set()

    def stop_claiming(self) -> None:
        self._stopping.set()
        self._wake.set()

    def join(self, timeout: float) -> None:
        """Wait until the running jobs were settled or given back."""
        deadline = time.monotonic() + timeout
        # In this order: once the dispatcher is gone, nobody adds to the jobs.
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            unsettled = list(self._unsettled)
        for thread in unsettled:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _dispatch(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._next():
                    self._wake.wait(POLL_SECONDS)
                    self._wake.clear()
            except Exception as error:  # noqa: BLE001 - the loop outlives a dead database
                _tell("the queue could not go on", error)
                self._unclear = True
                self._stopping.wait(AFTER_ERROR_SECONDS)

    def _next(self) -> bool:
        """Whether something was done."""
        if not self._duties.leads():
            self._unclear = True
            return False
        if not self._may_claim():
            return False
        if self._unclear:
            self._duties.recover()
            self._unclear = False
            self._reaped = time.monotonic()
        with self._lock:
            at_engine = tuple(self._at_engine)
        overdue = time.monotonic() - self._reaped
        if overdue >= (LONGEST_UNREAPED if at_engine else REAP_SECONDS):  # rather while nobody waits for it
            self._duties.reap()
            self._reaped = time.monotonic()
        job = self._duties.claim(at_engine) if self._duties.ready() else None
        if job is None:
            return False
        self._start(job)
        return True

    def _may_claim(self) -> bool:
        """Whether not too many wait to be settled; after trouble, only once every job that was running is."""
        with self._lock:
            if self._unclear:
                return not self._unsettled
            return len(self._unsettled) - len(self._at_engine) < MAX_UNSETTLED

    def _start(self, job: Job) -> None:
        thread = threading.Thread(target=self._run, args=(job,), name="job", daemon=True)
        with self._lock:
            self._at_engine.append(job)
            self._unsettled.add(thread)
        thread.start()

    def _run(self, job: Job) -> None:
        try:
            self._duties.run(job, lambda: self._leave_engine(job))
        except Exception as error:  # noqa: BLE001 - the queue outlives a dead database
            _tell("a job could not be settled", error)
            self._unclear = True
            self._stopping.wait(AFTER_ERROR_SECONDS)
        finally:
            with self._lock:
                self._unsettled.discard(threading.current_thread())
            self._leave_engine(job)

    def _leave_engine(self, job: Job) -> None:
        with self._lock:
            self._at_engine = [each for each in self._at_engine if each is not job]
        self.wake()

    def _watch(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            try:
                self._duties.watch()
            except Exception as error:  # noqa: BLE001 - as above
                _tell("could not look for changes", error)
                self._stopping.wait(AFTER_ERROR_SECONDS)


def _tell(what: str, error: Exception) -> None:
    """A database that is away needs no traceback; anything else is ours."""
    trace = None if isinstance(error, StudioError) else where(error)
    log.warning("%s: %s; trying again", what, type(error).__name__, exc_info=trace)
