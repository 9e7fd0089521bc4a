"""One thread beside the dispatcher, for jobs that need no engine: they wait for nobody who does."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from app.domain.errors import StudioError
from app.logs import where

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.25
AFTER_ERROR_SECONDS: Final = 1.0


class Shortcut:
    """Calls `serve` whenever it is woken, and now and then for what other processes accepted, while `may` says that
    the queue is this process's own. Started once, stopped once."""

    def __init__(self, may: Callable[[], bool], serve: Callable[[], None]) -> None:
        self._may = may
        self._serve = serve
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="shortcut", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop_serving(self) -> None:
        self._stopping.set()
        self._wake.set()

    def join(self, timeout: float) -> None:
        """Wait for what is being served."""
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._may():
                    self._serve()
                self._wake.wait(POLL_SECONDS)
                self._wake.clear()
            except Exception as error:  # the loop outlives a dead database
                trace = None if isinstance(error, StudioError) else where(error)
                log.warning("finished pictures could not be given: %s", type(error).__name__, exc_info=trace)
                self._stopping.wait(AFTER_ERROR_SECONDS)
