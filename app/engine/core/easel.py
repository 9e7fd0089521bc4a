"""The pictures that are being made now: who is at work, who waits, and what each run is still owed."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from torch import Tensor

from app.domain.ports import EngineEvent, PictureOrder
from app.engine import wire
from app.engine.core.batching import Shape
from app.engine.core.denoising import Sketch
from app.engine.core.editing import Original

PREVIEW_SECONDS: Final = 0.3


class Run:
    """One order from the parent. Ends once: with all its pictures told, cancelled, or with an error code.

    `expect` and `tell` may be called from any thread.
    """

    def __init__(self, order: wire.Run, say: Callable[[wire.FromChild], None]) -> None:
        self.run_id = order.run_id
        self.request = order.request
        self._say = say
        self._lock = threading.Lock()
        # Guarded by the lock: pictures that are owed, and whether the end was told.
        self._owed = len(order.request.pictures)
        self._ended = False

    def tell(self, event: EngineEvent) -> None:
        """Nothing is told of a run that has ended."""
        with self._lock:
            if not self._ended:
                self._say(wire.Happened(self.run_id, event))

    def delivered(self) -> None:
        """One picture was told; after the last the run is done."""
        with self._lock:
            self._owed -= 1
            done = self._owed == 0
        if done:
            self.end(wire.RunDone(self.run_id))

    def end(self, message: wire.RunEnd) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
            self._say(message)

    @property
    def has_ended(self) -> bool:
        with self._lock:
            return self._ended


@dataclass(slots=True, eq=False)
class Piece:
    """One picture of a run: `shape` decides who may share a step with it; a `sketch` only while it is at work.

    `original` is what all pictures of the run begin with, while it is being read.
    """

    run: Run
    order: PictureOrder
    shape: Shape
    wanted: Tensor
    unwanted: Tensor | None
    original: Future[Original] | None = None
    sketch: Sketch | None = None
    begun: float = 0.0
    lacks: int = 0  # how often there was too little memory for it alone
    previewed: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        """Its own among all that this process makes."""
        return f"{self.run.run_id}-{self.order.index}"

    def preview_is_due(self) -> bool:
        """At most one in PREVIEW_SECONDS, and none before the first such time."""
        now = time.monotonic()
        if now - self.previewed < PREVIEW_SECONDS:
            return False
        self.previewed = now
        return True
