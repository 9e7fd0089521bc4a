"""The child's two threads: one hears the parent at any moment, the main one owns the pipeline."""

import logging
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NoReturn, cast

from app.engine import wire
from app.engine.core.failures import LoadError
from app.engine.core.profiles import CPU
from app.engine.loras import LoraFolder
from app.logs import where

if TYPE_CHECKING:
    from app.engine.core.painter import Painter

log = logging.getLogger(__name__)

MEMORY_EVERY: Final = 2.0
STOPPED: Final = 0
ORPHANED: Final = 3
FAILED: Final = 1


class Worker:
    """Serves one parent over one socket until told to stop, or until the parent is gone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._orders: SimpleQueue[wire.Run] = SimpleQueue()
        self._cancelled: set[int] = set()
        self._stopping = threading.Event()
        self._working = threading.Event()
        self._memory: Callable[[], wire.Memory] | None = None
        self._memory_told = -MEMORY_EVERY

    def serve(self, setup: wire.Setup) -> NoReturn:
        """Load, then run what is ordered. Never returns: there is nothing that is worth an orderly teardown."""
        threading.Thread(target=self._hear, name="parent", daemon=True).start()
        try:
            painter, ready = self._load(setup)
        except LoadError as error:
            self._say(wire.LoadFailed(error.reason, error.params, error.retry))
            _leave(FAILED)
        except Exception as error:
            # With its text: nobody has written a prompt yet.
            log.error("The engine could not load: %s", error, exc_info=where(error))
            self._say(wire.LoadFailed("engine.load-failed", {"detail": type(error).__name__}, retry=False))
            _leave(FAILED)
        painter.when_lost = _lost
        self._say(ready)
        while True:
            try:
                self._tell_memory()
                self._take_in(painter)
                painter.advance(self._is_cancelled)
            except Exception as error:  # noqa: BLE001 - it ends here
                _lost(error)
            if self._stopping.is_set():
                _leave(STOPPED)  # what was running is lost, not cancelled

    def _hear(self) -> None:
        """Take messages at any moment, also in the middle of a step."""
        while True:
            try:
                message = cast("wire.ToChild", self._connection.recv())
            except (EOFError, OSError):
                _leave(ORPHANED)
            match message:
                case wire.Run():
                    self._orders.put(message)
                case wire.Cancel(run_id=run_id):
                    self._cancelled.add(run_id)
                case wire.Stop():
                    self._stopping.set()
                    if not self._working.is_set():
                        _leave(STOPPED)
                case wire.Setup():
                    log.warning("The engine is set up already")

    def _load(self, setup: wire.Setup) -> "tuple[Painter, wire.Ready]":
        # Here and not above: these import torch, and the parent must be heard meanwhile.
        from app.engine.core.devices import cards, pick_device, set_threads, take  # noqa: PLC0415
        from app.engine.core.download import download  # noqa: PLC0415
        from app.engine.core.hubs import hub_named  # noqa: PLC0415
        from app.engine.core.memory import in_use  # noqa: PLC0415
        from app.engine.core.models import choose  # noqa: PLC0415

        device = pick_device(CPU if setup.profile == CPU else setup.device)
        take(device)
        choice = choose(setup.model, setup.models_dir, cuda=device.is_cuda)
        self._memory = lambda: wire.Memory(*in_use(device))
        set_threads(setup.threads)
        seen = cards() if device.is_cuda else 1
        self._say(wire.Chosen(model=choice.name, device=device.name, demo=choice.is_demo, cards=seen))
        if choice.repo is not None:
            hub = hub_named(setup.source, setup.hub_endpoint)
            download(hub, choice.repo, choice.folder, lambda fraction: self._say(wire.Downloading(fraction)))
        choice.check()
        self._say(wire.Loading(choice.folder))
        from app.engine.core.furnish import furnish  # noqa: PLC0415

        return furnish(choice, device, setup.profile, LoraFolder(setup.models_dir), self._say)

    def _take_in(self, painter: "Painter") -> None:
        """What was ordered meanwhile; with nothing to do, wait for the next order."""
        if painter.is_idle:
            self._working.clear()
            if self._stopping.is_set():  # told just before, when this still counted as work
                _leave(STOPPED)
            order = self._orders.get()
            self._working.set()
            painter.take_in(order)
            # Of the past, and nobody asks again.
            self._cancelled -= {run_id for run_id in self._cancelled.copy() if run_id < order.run_id}
        while not self._orders.empty():
            painter.take_in(self._orders.get())

    def _tell_memory(self) -> None:
        """Now and then, between steps."""
        now = time.monotonic()
        if self._memory is not None and now >= self._memory_told + MEMORY_EVERY:
            self._memory_told = now
            self._say(self._memory())

    def _is_cancelled(self, run_id: int) -> bool:
        return run_id in self._cancelled

    def _say(self, message: wire.FromChild) -> None:
        with self._sending:
            try:
                self._connection.send(message)
            except OSError:
                _leave(ORPHANED)


def _lost(error: BaseException) -> NoReturn:
    log.error("The device is lost, this process ends: %s", type(error).__name__, exc_info=where(error))
    _leave(FAILED)


def _leave(code: int) -> NoReturn:
    """End at once: torch's teardown takes seconds, and may hang on a broken device. Log records are out already."""
    os._exit(code)
