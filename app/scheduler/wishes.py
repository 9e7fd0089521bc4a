"""What administrators want of the engine reaches each server once, however many of its threads hear of it."""

import threading
from collections.abc import Callable


class Wishes:
    """Wishes are numbered in their order. Before `begin` there is no engine here that could fulfil one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: int | None = None

    @property
    def begun(self) -> bool:
        return self._last is not None

    def begin(self, last: int) -> None:
        """Those up to `last` were for servers before this one."""
        with self._lock:
            self._last = last

    def end(self) -> None:
        with self._lock:
            self._last = None

    def take(self, number: int, fulfil: Callable[[], None]) -> None:
        """Fulfil the wish unless it, or a later one, was taken already. `fulfil` returns at once."""
        with self._lock:
            if self._last is not None and number > self._last:
                self._last = number
                fulfil()
