"""The real queue, played through on a clock that is set: only the time that pictures take is made up."""

import itertools
import random
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from app.domain.jobs import Job, JobState
from app.domain.people import Origin, Principal, Role
from app.flows import ending, run
from app.flows.jobs import get_job
from app.flows.studio import Studio
from app.flows.submit import submit
from app.scheduler.line import LineCache
from app.scheduler.pace import Measured
from scripts.benches.house import LeapingClock, Rooms
from scripts.benches.scenario import Click, Served, click

ORIGIN: Final = Origin(ip_address="127.0.0.1")
WEIGHTS: Final = (1, 2, 4)
SIZES: Final = ((512, 8, 1), (1024, 4, 1), (1024, 8, 1), (1024, 8, 2))
KEPT_WAITING: Final = 5


@dataclass(frozen=True, slots=True)
class _Running:
    job: Job
    began: float
    ends: float


@dataclass(slots=True)
class Stage:
    """Time 0 is `began`. A running job is unknown to this process's live progress, which goes by the real clock: its
    rest is then estimated from `started_at`, as of a job in another process. And the line is read for every promise,
    as a real second may not pass between two clicks."""

    studio: Studio
    clock: LeapingClock
    began: datetime
    people: list[Principal]
    clicks: dict[str, tuple[Click, int | None]] = field(default_factory=dict)
    served: list[Served] = field(default_factory=list)

    def play(self, clicks: Iterable[Click]) -> list[Served]:
        """One machine, until nothing waits."""
        coming, running = deque(clicks), self._begin(0.0)
        while coming or running is not None:
            if coming and (running is None or coming[0].at <= running.ends):
                each = coming.popleft()
                self.accept(each)
                running = running or self._begin(each.at)
            elif running is not None:
                running = self._finish(running)
        return self.served

    def accept(self, each: Click, *, promise: bool = True) -> None:
        self._set_clock(each.at)
        actor = self.people[each.person]
        body = {"prompt": "a", "width": each.side, "height": each.side, "steps": each.steps, "count": each.count}
        job = submit(self.studio, actor, body, origin=ORIGIN).job
        asked = replace(self.studio, line=LineCache())
        eta = get_job(asked, actor, job.id, ORIGIN).eta_seconds if promise else None
        self.clicks[job.id] = (each, eta)

    def serve_one(self, now: float) -> Served:
        """The next in line, from its beginning to its end. Something must wait."""
        running = self._begin(now)
        if running is None:
            raise LookupError
        self._finish(running, then_begin=False)
        return self.served[-1]

    def _begin(self, now: float) -> _Running | None:
        self._set_clock(now)
        job = run.claim(self.studio)
        if job is None:
            return None
        self.studio.progress.forget(job.id, job.user_id)
        return _Running(job, now, now + self.clicks[job.id][0].seconds)

    def _finish(self, running: _Running, *, then_begin: bool = True) -> _Running | None:
        job, (each, promised) = running.job, self.clicks[running.job.id]
        self._set_clock(running.ends)
        ending.end(self.studio, job, JobState.SUCCEEDED)
        for _ in range(job.count):
            self.studio.pace.learn(job.width * job.height, Measured(each.seconds / job.count / job.steps, 0.0))
        self.served.append(Served(each, running.began, running.ends, promised))
        return self._begin(running.ends) if then_begin else None

    def _set_clock(self, now: float) -> None:
        self.clock.set(self.began + timedelta(seconds=now))


def stage(house: Rooms, people: list[Principal]) -> Stage:
    """A day later than whatever was played before in the same house."""
    house.clock.set(house.clock.now() + timedelta(days=1))
    return Stage(house.studio, house.clock, house.clock.now(), people)


def shares_by_weight(scene: Stage, chance: random.Random, turns: int) -> dict[int, float]:
    """What part of the machine's time each of WEIGHTS gets, one person each, while all have something waiting."""
    now = 0.0
    got: dict[int, float] = defaultdict(float)
    kept = range(KEPT_WAITING)
    for person, _ in itertools.product(range(len(WEIGHTS)), kept):
        _click_with_weight(scene, click(chance, now, person, chance.choice(SIZES)))
    for _ in range(turns):
        served = scene.serve_one(now)
        now, person = served.ended, served.click.person
        got[WEIGHTS[person]] += served.click.seconds
        _click_with_weight(scene, click(chance, now, person, chance.choice(SIZES)))
    return {weight: got[weight] / now for weight in WEIGHTS}


def _click_with_weight(scene: Stage, each: Click) -> None:
    """A weight belongs to a role, and only two roles may click: it is set for the moment of each click."""
    scene.studio.store.write(lambda tx: tx.roles.change(Role.MEMBER, {"weight": WEIGHTS[each.person]}))
    scene.accept(each, promise=False)
