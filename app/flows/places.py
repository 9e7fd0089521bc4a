"""Where each job stands and when it will be done, from the order of the queue and the measured times."""

import time
from collections.abc import Callable
from typing import Final

from app.domain.jobs import Job, JobState
from app.domain.ports import EngineState
from app.flows.studio import Studio
from app.scheduler.fairness import InTurn, order_of_service
from app.scheduler.line import Line, Place, done_after
from app.scheduler.pace import Estimate
from app.store.jobs import InLine
from app.store.transaction import Transaction

# Beyond these nobody is told a time: it would be hours away.
LINE_READ: Final = 2000
HISTORY: Final = 60
FLICKER: Final = 8.0


def placing(studio: Studio, tx: Transaction) -> Callable[[Job, int], Place | None]:
    """A function of a job and the number of its pictures that are there: the place of a waiting job, and how long a
    running one has yet to go; None for any other."""
    estimate = _estimate(studio, tx)

    def place(job: Job, made: int) -> Place | None:
        if job.state is JobState.RUNNING:
            return Place(None, _left(studio, estimate, job, made))
        if job.state is not JobState.QUEUED:
            return None
        own = estimate(job.width * job.height, job.denoising_steps)
        line = studio.line.get(lambda: _read(studio, tx))
        known = line.place(job.seq, job.vstart, None if own is None else own * (job.count - made))
        return known or Place(tx.jobs.count_before(job) + 1, None)

    return place


Told = dict[int, list[tuple[int, float | None]]]


def tell_moves(studio: Studio, told: Told) -> Told:
    """Wake whoever waits for news of jobs whose place, or moment of done, is no longer the one that was `told`.

    Answers what is told by now: for each person the places, and when (`time.monotonic`) each job will be done.
    """
    awaited = set(studio.progress.awaited())
    if not awaited:
        return {}
    line = studio.store.read(lambda tx: studio.line.get(lambda: _read(studio, tx)))
    now = time.monotonic()
    found: Told = {}
    for index, user_id in enumerate(line.user_ids):
        if user_id in awaited:
            seconds = line.seconds[index]
            found.setdefault(user_id, []).append((index, None if seconds is None else now + seconds))
    for user_id, places in found.items():
        if _is_same(before := told.get(user_id, []), places):
            found[user_id] = before
        else:
            studio.progress.moved(user_id)
    return found


def _is_same(before: list[tuple[int, float | None]], places: list[tuple[int, float | None]]) -> bool:
    """A moment that is a few seconds off is the same: nobody is woken by a flickering estimate."""
    if [place for place, _ in before] != [place for place, _ in places]:
        return False
    pairs = zip((due for _, due in before), (due for _, due in places), strict=True)
    return all(
        (old is None and new is None) or (old is not None and new is not None and abs(old - new) < FLICKER)
        for old, new in pairs
    )


def _estimate(studio: Studio, tx: Transaction) -> Estimate:
    if studio.pace.wants_history():
        studio.pace.tell_history(tx.images.recent_times(HISTORY))
    return studio.pace.estimate()


def _read(studio: Studio, tx: Transaction) -> Line:
    rows = tx.jobs.line(LINE_READ + 1)
    turns = [InTurn(row.vstart, row.user_id, row.last_served, row.seq) for row in rows[:LINE_READ]]
    line = tuple(rows[place] for place in order_of_service(turns))
    return Line(
        seqs={row.seq: place for place, row in enumerate(line)},
        starts=[row.vstart for row in line],
        user_ids=[row.user_id for row in line],
        seconds=_times(studio, tx, line),
        complete=len(rows) <= LINE_READ,
    )


def _times(studio: Studio, tx: Transaction, line: tuple[InLine, ...]) -> list[float | None]:
    """Nobody can know when a paused queue goes on, or when a model will have been loaded."""
    if tx.service.get().paused or studio.engine.status().state is not EngineState.READY:
        return [None] * len(line)
    estimate = _estimate(studio, tx)
    running = [_left(studio, estimate, job, len(tx.images.indices(job.id))) for job in tx.jobs.running()]
    at_once = sum(slot.state is EngineState.READY for slot in studio.engine.status().slots)
    return done_after(running, map(_whole(estimate), line), max(1, at_once))


def _whole(estimate: Estimate) -> Callable[[InLine], float | None]:
    def seconds(row: InLine) -> float | None:
        one = estimate(row.width * row.height, row.denoising_steps)
        return None if one is None else one * row.pictures

    return seconds


def _left(studio: Studio, estimate: Estimate, job: Job, made: int) -> float | None:
    """Seconds until a running job is done."""
    live = studio.progress.live(job.id)
    one = estimate(job.width * job.height, job.denoising_steps)
    if live is not None and live.seconds is not None:  # nothing says more than its own steps
        one = max(one or 0.0, live.seconds * job.denoising_steps)
    if one is None:
        return None
    whole = one * (job.count - made)
    if live is None:  # it runs in another process
        began = job.started_at or job.created_at
        done = (studio.clock.now() - began).total_seconds() - one * made
    else:
        step = live.step if live.step < job.denoising_steps or live.index >= made else 0
        done = one * step / job.denoising_steps + min(time.monotonic() - live.at, one / job.denoising_steps)
    return max(0.0, whole - max(0.0, done))
