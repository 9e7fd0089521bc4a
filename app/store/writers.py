"""The line of SQLite's writers: it has one at a time, and lets the others ask again and again in no order at all."""

import threading
from collections import deque
from typing import Final

from app.domain.errors import UnavailableError

# As long as SQLite itself waits for another process.
PATIENCE: Final = 15.0


class OneByOne:
    """A lock that goes to whoever has waited longest. Raises UnavailableError after `patience` seconds."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if not turn.acquire(timeout=self._patience):
            self._leave(turn)

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False

    def _leave(self, turn: threading.Lock) -> None:
        with self._guard:
            if turn not in self._waiting:  # it came at the last moment
                return
            self._waiting.remove(turn)
        raise UnavailableError("error.database-unavailable")
