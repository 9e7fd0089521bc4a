"""How long pictures take here: learnt from the steps that were measured, for each size."""

import math
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

# Of the last so many the middle one counts: one slow step of a cold start must not spoil every estimate.
REMEMBERED: Final = 15
SIZES: Final = 256
# A process that makes no pictures itself asks the database how long they take, this often.
HISTORY_SECONDS: Final = 30.0
# So many gaps between steps say more than another size does.
GAPS: Final = 2
# A step takes its pixels to this power, where only one size was measured: attention grows with their square.
GROWTH: Final = 1.2
LEAST_GROWTH, MOST_GROWTH = 0.5, 2.0

Estimate = Callable[[int, int], float | None]


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of a typical step, and of all else of a picture (text, decoding, the disk); `sure` unless of a single
    step, which nobody can tell from the rest."""

    step: float
    rest: float
    sure: bool = True


@dataclass(slots=True)
class _Known:
    """What was measured of one size: by pictures here, or, until there are some, by anything else."""

    steps: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    rests: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    sure: bool = False


class Pace:
    """Thread-safe. Sizes in pixels, times in seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, _Known] = {}
        self._measured_here = False
        self._told_at = float("-inf")

    def learn(self, pixels: int, measured: Measured) -> None:
        """One picture was made here."""
        with self._lock:
            self._begin_here()
            if measured.sure or not self._known:
                self._note(pixels, measured.step, measured.rest, sure=measured.sure)

    def suppose(self, pixels: int, step: float) -> bool:
        """A picture is at work, and its typical step took so long up to now. Whether its size was unknown before."""
        with self._lock:
            if self._measured_here and pixels in self._known:
                return False
            self._begin_here()
            self._note(pixels, step, 0.0, sure=False)
            return True

    def wants_history(self) -> bool:
        """Whether nothing was measured here, and what others have measured was not asked for just now."""
        with self._lock:
            return not self._measured_here and time.monotonic() - self._told_at >= HISTORY_SECONDS

    def tell_history(self, pictures: Iterable[tuple[int, int, float]]) -> None:
        """Pixels, steps and seconds of pictures that were made before, or elsewhere; the oldest first."""
        with self._lock:
            self._told_at = time.monotonic()
            for pixels, steps, seconds in () if self._measured_here else pictures:
                self._note(pixels, seconds / max(1, steps), 0.0, sure=False)

    def estimate(self) -> Estimate:
        """The seconds of one picture of so many pixels and steps, as known now."""
        with self._lock:
            steps = {pixels: statistics.median(known.steps) for pixels, known in self._known.items()}
            rests = {pixels: statistics.median(known.rests) for pixels, known in self._known.items()}
        growth = _growth(steps)
        return lambda pixels, count: _seconds(steps, rests, growth, pixels, count)

    def _begin_here(self) -> None:
        """From the first own measurement on, what others have measured counts no more."""
        if not self._measured_here:
            self._measured_here = True
            self._known = {}

    def _note(self, pixels: int, step: float, rest: float, *, sure: bool) -> None:
        known = self._known.get(pixels)
        if known is None or (sure and not known.sure):
            if known is None and len(self._known) >= SIZES:
                self._known.pop(next(iter(self._known)))
            known = self._known[pixels] = _Known(sure=sure)
        known.steps.append(step)
        known.rests.append(rest)


@dataclass(slots=True)
class _Lap:
    """One picture: seconds up to its first step, its last step's moment, the gaps between them, and how many pictures
    shared each of these."""

    head: float
    last: float
    gaps: list[float] = field(default_factory=list)
    shares: list[int] = field(default_factory=list)
    steps: int = 1


class Stopwatch:
    """Measures the pictures of one run as their events come in, also of several at a time; `now` counts seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._free = self._now()
        self._laps: dict[int, _Lap] = {}

    def step(self, index: int = 0, shared: int = 1) -> None:
        now = self._now()
        lap = self._laps.get(index)
        if lap is None:
            # What passed before the first step belongs to the picture that nobody was made beside.
            self._laps[index] = _Lap(0.0 if self._laps else now - self._free, now)
            return
        lap.gaps.append(now - lap.last)
        lap.shares.append(shared)
        lap.steps, lap.last = lap.steps + 1, now

    def typical(self, index: int = 0) -> float | None:
        """Seconds of a step of that picture, shared with no other one of this run, as soon as some were measured."""
        lap = self._laps.get(index)
        if lap is None or len(lap.gaps) < GAPS:
            return None
        return statistics.median(lap.gaps) / min(len(self._laps), lap.shares[-1])

    def work(self, index: int = 0) -> float | None:
        """The same, when each picture that shares a step is answerable for its part."""
        lap = self._laps.get(index)
        return None if lap is None or len(lap.gaps) < GAPS else _part(lap)

    def picture(self, index: int = 0) -> Measured:
        """A picture is done and on the disk; its parts of what was shared."""
        now = self._now()
        lap = self._laps.pop(index, None) or _Lap(now - self._free, now)
        self._free = now
        tail = now - lap.last
        if not lap.gaps:
            return Measured((lap.head + tail) / lap.steps, 0.0, sure=False)
        rest = max(0.0, lap.head - statistics.median(lap.gaps)) + tail
        return Measured(_part(lap), rest / statistics.median(lap.shares))


def _part(lap: _Lap) -> float:
    return statistics.median(gap / shared for gap, shared in zip(lap.gaps, lap.shares, strict=True))


def _growth(steps: dict[int, float]) -> float:
    """The power of the pixels that a step takes, between the smallest and the largest size that was measured."""
    least, most = min(steps, default=1), max(steps, default=1)
    if least == most or min(steps.values()) <= 0:
        return GROWTH
    growth = math.log(steps[most] / steps[least]) / math.log(most / least)
    return max(LEAST_GROWTH, min(MOST_GROWTH, growth))


def _seconds(steps: dict[int, float], rests: dict[int, float], growth: float, pixels: int, count: int) -> float | None:
    if not steps:
        return None
    # A size that was never made: from the nearest one.
    nearest = min(steps, key=lambda known: max(known, pixels) / min(known, pixels))
    ratio = pixels / nearest
    return steps[nearest] * count * math.pow(ratio, growth) + rests[nearest] * ratio
