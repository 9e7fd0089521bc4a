"""Live progress: the running step of each job, and a way for long polls to sleep until something changes."""

import asyncio
import secrets
import threading
from collections import defaultdict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Live:
    """Denoising step `step` of picture `index` is done; `version` is when that was noted."""

    index: int
    step: int
    version: int


class Progress:
    """Thread-safe. Versions count up within one process; `process` tells processes apart."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._live: dict[str, Live] = {}
        self._version = 0
        self._changed: dict[int, int] = {}
        self._everyone = 0
        self._waiters: defaultdict[int, set[_Waiter]] = defaultdict(set)
        self._closed = False

    def version(self, user_id: int) -> int:
        """Grows whenever something changed for that user."""
        with self._lock:
            return self._version_of(user_id)

    def live(self, job_id: str) -> Live | None:
        with self._lock:
            return self._live.get(job_id)

    def running(self) -> tuple[str, ...]:
        """The jobs that run in this process."""
        with self._lock:
            return tuple(self._live)

    def step(self, job_id: str, user_id: int, index: int, step: int) -> None:
        with self._lock:
            self._note(user_id)
            self._live[job_id] = Live(index, step, self._version)

    def forget(self, job_id: str, user_id: int) -> None:
        with self._lock:
            self._live.pop(job_id, None)
            self._note(user_id)

    def changed(self, user_id: int | None = None) -> None:
        """Wake the polls of that user, or everybody's."""
        with self._lock:
            self._note(user_id)

    async def wait(self, user_id: int, version: int, seconds: float) -> bool:
        """Sleep until the user's version differs from `version`; False after `seconds` without a change."""
        waiter = _Waiter(asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if self._closed or self._version_of(user_id) != version:
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
        """Let every poll go: the server stops."""
        with self._lock:
            self._closed = True
            self._note(None)

    @property
    def closed(self) -> bool:
        return self._closed

    def _version_of(self, user_id: int) -> int:
        return max(self._changed.get(user_id, 0), self._everyone)

    def _note(self, user_id: int | None) -> None:
        self._version += 1
        if user_id is None:
            self._everyone = self._version
            woken = [waiter for waiters in self._waiters.values() for waiter in waiters]
        else:
            self._changed[user_id] = self._version
            woken = list(self._waiters.get(user_id, ()))
        for waiter in woken:
            waiter.wake()


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    loop: asyncio.AbstractEventLoop
    event: asyncio.Event

    def wake(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.event.set)
