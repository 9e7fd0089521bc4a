"""A way for coroutines to sleep until something changes for a person."""

import asyncio
import threading
from collections import defaultdict
from dataclasses import dataclass


class Changes:
    """Thread-safe. Versions count up within one process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._version = 0
        self._changed: dict[int, int] = {}
        self._everyone = 0
        self._waiters: defaultdict[int, set[_Waiter]] = defaultdict(set)
        self._closed = False

    def version(self, user_id: int) -> int:
        """Grows whenever something changed for that user."""
        with self._lock:
            return max(self._changed.get(user_id, 0), self._everyone)

    def changed(self, user_id: int | None = None) -> int:
        """Wake whoever waits for that user, or everybody; the new version."""
        with self._lock:
            self._version += 1
            if user_id is None:
                self._everyone = self._version
                woken = [waiter for waiters in self._waiters.values() for waiter in waiters]
            else:
                self._changed[user_id] = self._version
                woken = list(self._waiters.get(user_id, ()))
            for waiter in woken:
                waiter.wake()
            return self._version

    def awaited(self) -> tuple[int, ...]:
        """For whom somebody sleeps at this moment."""
        with self._lock:
            return tuple(self._waiters)

    async def wait(self, user_id: int, version: int, seconds: float) -> bool:
        """Sleep until the user's version differs from `version`; False after `seconds` without a change."""
        waiter = _Waiter(asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if self._closed or self.version(user_id) != version:
                return True
            self._waiters[user_id].add(waiter)
        try:
            await asyncio.wait_for(waiter.event.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiters[user_id].discard(waiter)
                if not self._waiters[user_id]:
                    del self._waiters[user_id]
        return True

    def close(self) -> None:
        """Let everybody go: the server stops."""
        with self._lock:
            self._closed = True
            self.changed()

    @property
    def closed(self) -> bool:
        return self._closed


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    loop: asyncio.AbstractEventLoop
    event: asyncio.Event

    def wake(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.event.set)
