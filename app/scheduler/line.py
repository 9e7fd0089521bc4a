"""Who is next, and when: the queue in its order, with the time at which each job will be done."""

import bisect
import heapq
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

# Read again after so long even if nothing here changed it: another process may have.
OLDEST_SECONDS: Final = 0.5
# What changed here shows at once; where more wait than this, reading takes at most that part of the time.
SHORT: Final = 200
READING_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Place:
    """`position` 1 is next, None for a job that runs; `seconds` until the last picture is there, None where nobody
    can know."""

    position: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """The queue of one moment in the order of service: the number of each waiting job, when its turn begins, whose it
    is, and the seconds until it will be done. `complete` is False when only the beginning of a long queue was read.
    """

    seqs: Mapping[int, int] = field(default_factory=dict)
    starts: Sequence[int] = ()
    user_ids: Sequence[int] = ()
    seconds: Sequence[float | None] = ()
    complete: bool = True

    def place(self, seq: int, start: int, own_seconds: float | None) -> Place | None:
        """Also of a job that came after the line was read; None for one that is behind what was read."""
        if (known := self.seqs.get(seq)) is not None:
            return Place(known + 1, self.seconds[known])
        index = bisect.bisect_right(self.starts, start)
        if index == len(self.starts) and not self.complete:
            return None
        ahead = self.seconds[index - 1] if index else 0.0
        return Place(index + 1, None if ahead is None or own_seconds is None else ahead + own_seconds)


def done_after(running: Iterable[float | None], waiting: Iterable[float | None], slots: int) -> list[float | None]:
    """Seconds until each waiting job is done, when `slots` are made at a time and the running ones need so long yet.
    More running ones than slots share their steps, or are done but for their files: the longest count.

    From the first job of unknown length on nothing is known.
    """
    rest = list(running)
    found: list[float | None] = []
    if any(each is None for each in rest):
        return [None for _ in waiting]
    free = heapq.nlargest(slots, (each or 0.0 for each in rest)) + [0.0] * max(0, slots - len(rest))
    heapq.heapify(free)
    known = True
    for seconds in waiting:
        known = known and seconds is not None
        if not known or seconds is None:
            found.append(None)
            continue
        done = heapq.heappop(free) + seconds
        heapq.heappush(free, done)
        found.append(done)
    return found


@dataclass(slots=True)
class LineCache:
    """The line as it was a moment ago, for everybody who asks. Thread-safe; `now` counts seconds."""

    now: Callable[[], float] = time.monotonic
    _line: Line = field(default_factory=Line)
    _read_at: float = float("-inf")
    _cost: float = 0.0
    _changed: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def changed(self) -> None:
        """The order or the times are not what they were."""
        self._changed = True

    def get(self, read: Callable[[], Line]) -> Line:
        """The line, read again if it changed or is old. Raises what `read` raises."""
        with self._lock:
            age = self.now() - self._read_at
            rested = len(self._line.starts) <= SHORT or age >= self._cost / READING_SHARE
            if rested and (self._changed or age >= OLDEST_SECONDS):
                self._changed = False
                began = self.now()
                try:
                    self._line = read()
                except Exception:
                    self._changed = True
                    raise
                self._read_at = self.now()
                self._cost = self._read_at - began
            return self._line
