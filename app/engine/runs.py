"""The runs in flight: who waits for which, and what has happened to it that nobody has read yet."""

import itertools
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue

from app.domain.ports import EngineCancelledError, EngineEvent, EngineLostError, EngineRunError
from app.engine import wire


class _Lost:
    """In place of a run's end: the child is gone."""


class Run:
    """One run: its id on the wire, its job, and its unread events."""

    def __init__(self, run_id: int, job_id: str) -> None:
        self.run_id = run_id
        self.job_id = job_id
        self.begun = time.monotonic()
        self._inbox: SimpleQueue[EngineEvent | wire.RunEnd | _Lost] = SimpleQueue()

    def put(self, item: EngineEvent | wire.RunEnd | _Lost) -> None:
        self._inbox.put(item)

    def events(self) -> Iterator[EngineEvent]:
        """What happens, as it happens. Ends as `ports.Engine.run` says."""
        while True:
            match self._inbox.get():
                case wire.RunDone():
                    return
                case wire.RunCancelled():
                    raise EngineCancelledError
                case wire.RunFailed(code=code):
                    raise EngineRunError(code)
                case _Lost():
                    raise EngineLostError
                case event:
                    yield event


class RunTable:
    """All runs that have begun and not ended; what comes for any other run is stale and dropped. Thread-safe."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._runs: dict[int, Run] = {}

    def begin(self, job_id: str) -> Run:
        run = Run(next(self._ids), job_id)
        with self._lock:
            self._runs[run.run_id] = run
        return run

    def happened(self, message: wire.Happened) -> None:
        with self._lock:
            run = self._runs.get(message.run_id)
        if run is not None:
            run.put(message.event)

    def ended(self, message: wire.RunEnd) -> None:
        with self._lock:
            run = self._runs.pop(message.run_id, None)
        if run is not None:
            run.put(message)

    def forget(self, run: Run) -> bool:
        """Nobody reads this run any more; answers whether it was still in flight."""
        with self._lock:
            return self._runs.pop(run.run_id, None) is not None

    def lose_all(self) -> None:
        with self._lock:
            lost, self._runs = self._runs, {}
        for run in lost.values():
            run.put(_Lost())

    def of_job(self, job_id: str) -> list[int]:
        with self._lock:
            return [run.run_id for run in self._runs.values() if run.job_id == job_id]

    def last_begun(self) -> float | None:
        """When the youngest run in flight began (`time.monotonic`), None without one."""
        with self._lock:
            return max((run.begun for run in self._runs.values()), default=None)
