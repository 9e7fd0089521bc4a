"""The runs in flight: who waits for which, and what has happened to it that nobody has read yet."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from queue import SimpleQueue
from typing import Final

from app.domain.ports import (
    EngineCancelledError,
    EngineEvent,
    EngineLostError,
    EngineRequest,
    EngineRunError,
    StepDone,
)
from app.engine import wire

LEAST_PATIENCE: Final = 120.0
# A step of four times the pixels may take sixteen times as long.
TOLERANCE: Final = 20.0


class _Lost:
    """In place of a run's end: the child is gone."""


class Run:
    """One run: its id on the wire, its request, how many pixels a picture has, and its unread events.

    `at_work` are the pictures that have steps to come; the others are only being decoded and compressed.
    """

    def __init__(self, run_id: int, request: EngineRequest, begun: float) -> None:
        self.run_id = run_id
        # Without the files it begins with, which are large and the child's.
        self.request = replace(request, image=None, mask=None)
        self.pixels = request.width * request.height
        self.at_work = {order.index for order in request.pictures}
        self.begun = self.heard = begun
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

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._empty = threading.Condition(self._lock)
        self._runs: dict[int, Run] = {}
        # Seconds a pixel of the longest silence after which a run went on.
        self._slowest = 0.0

    def begin(self, request: EngineRequest) -> Run:
        run = Run(next(self._ids), request, self._now())
        with self._lock:
            self._runs[run.run_id] = run
        return run

    def happened(self, message: wire.Happened) -> None:
        with self._lock:
            run = self._runs.get(message.run_id)
            if run is not None:
                now = self._now()
                self._slowest = max(self._slowest, (now - run.heard) / run.pixels)
                run.heard = now
                if isinstance(message.event, StepDone) and message.event.step == run.request.denoising_steps:
                    run.at_work.discard(message.event.index)
        if run is not None:
            run.put(message.event)

    def ended(self, message: wire.RunEnd) -> None:
        with self._lock:
            run = self._take(message.run_id)
        if run is not None:
            run.put(message)

    def forget(self, run: Run) -> bool:
        """Nobody reads this run any more; answers whether it was still in flight."""
        with self._lock:
            return self._take(run.run_id) is not None

    def lose_all(self) -> None:
        with self._lock:
            lost, self._runs = self._runs, {}
            self._empty.notify_all()
        for run in lost.values():
            run.put(_Lost())

    def requests(self) -> tuple[EngineRequest, ...]:
        """Of the runs in flight, oldest first."""
        with self._lock:
            return tuple(run.request for run in self._runs.values())

    def at_work(self) -> tuple[EngineRequest, ...]:
        """Of those that have steps to come: beside the others there is room."""
        with self._lock:
            return tuple(run.request for run in self._runs.values() if run.at_work)

    def wait_until_empty(self) -> None:
        with self._empty:
            self._empty.wait_for(lambda: not self._runs)

    def of_job(self, job_id: str) -> list[int]:
        with self._lock:
            return [run.run_id for run in self._runs.values() if run.request.job_id == job_id]

    def patience(self) -> float | None:
        """Seconds of silence that are still believed, after what was seen so far; None before anything was."""
        with self._lock:
            pixels = max((run.pixels for run in self._runs.values()), default=0)
            return max(LEAST_PATIENCE, TOLERANCE * self._slowest * pixels) if self._slowest else None

    def last_begun(self) -> float | None:
        """When the youngest run in flight began (`time.monotonic`), None without one."""
        with self._lock:
            return max((run.begun for run in self._runs.values()), default=None)

    def _take(self, run_id: int) -> Run | None:
        """Under the lock."""
        run = self._runs.pop(run_id, None)
        if not self._runs:
            self._empty.notify_all()
        return run
