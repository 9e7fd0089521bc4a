"""Who clicks when: one person drops very much at once, the others come by; and what two other queues make of it."""

import heapq
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HOG: Final = 0
# A picture of 1024² pixels in 8 steps takes five seconds.
SECONDS_PER_PIXEL_STEP: Final = 5 / (1024 * 1024 * 8)
NOISE: Final = 0.1
ARRIVALS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Click:
    """`seconds` is what the machine will need for it; nobody knows that before."""

    at: float
    person: int
    side: int
    steps: int
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Served:
    """`promised`: the seconds until its end that were shown at the click, where anything was."""

    click: Click
    began: float
    ended: float
    promised: int | None = None

    @property
    def wait(self) -> float:
        return self.began - self.click.at

    @property
    def slowdown(self) -> float:
        return (self.ended - self.click.at) / self.click.seconds


def arrivals(chance: random.Random, people: int, hog_jobs: int) -> list[Click]:
    """The hog at once; everybody else within five minutes, some with several, of mixed sizes."""
    clicks = [click(chance, 0.0, HOG, (1024, 8, 1)) for _ in range(hog_jobs)]
    for person in range(1, people):
        at = chance.uniform(0, ARRIVALS)
        for _ in range(chance.choice((1, 1, 2, 3, 4, 6))):
            size = (chance.choice((512, 768, 1024, 1024)), chance.choice((4, 8, 8)), chance.choice((1, 1, 2, 4)))
            clicks.append(click(chance, at, person, size))
            at += chance.uniform(0, 10)
    return sorted(clicks, key=lambda each: each.at)


def click(chance: random.Random, at: float, person: int, size: tuple[int, int, int]) -> Click:
    """Of a size that is side, steps and count."""
    side, steps, count = size
    seconds = side * side * steps * count * SECONDS_PER_PIXEL_STEP * chance.uniform(1 - NOISE, 1 + NOISE)
    return Click(at, person, side, steps, count, seconds)


def first_come_first_served(clicks: Iterable[Click]) -> list[Served]:
    now, served = 0.0, []
    for each in clicks:
        began = max(now, each.at)
        now = began + each.seconds
        served.append(Served(each, began, now))
    return served


def ideal_shares(clicks: Sequence[Click], until: float) -> dict[int, float]:
    """The seconds of each person by `until` if the machine could be divided: always equally among all who wait."""
    left: dict[int, float] = defaultdict(float)
    got: dict[int, float] = defaultdict(float)
    coming = [(each.at, index) for index, each in enumerate(clicks)]
    heapq.heapify(coming)
    now = 0.0
    while now < until:
        waiting = [person for person, seconds in left.items() if seconds > 0]
        then = min(until, coming[0][0] if coming else until)
        if waiting:
            then = min(then, now + len(waiting) * min(left[person] for person in waiting))
        for person in waiting:
            part = min(left[person], (then - now) / len(waiting))
            got[person] += part
            # What a division leaves over is nothing.
            left[person] = left[person] - part if left[person] - part > 1e-9 else 0.0  # noqa: PLR2004
        now = then
        while coming and coming[0][0] <= now:
            each = clicks[heapq.heappop(coming)[1]]
            left[each.person] += each.seconds
    return got


def received(served: Iterable[Served], until: float) -> dict[int, float]:
    """The seconds of each person by `until`."""
    got: dict[int, float] = defaultdict(float)
    for each in served:
        got[each.click.person] += max(0.0, min(each.ended, until) - each.began)
    return got
