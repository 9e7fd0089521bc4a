"""The machine's side of a click: claim, make, keep, charge, end. Every way out settles or gives back."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from app.domain.errors import StudioError
from app.domain.jobs import MAX_LOSSES, Job, JobState
from app.domain.ports import (
    LACKS_OF_MEMORY,
    EngineCancelledError,
    EngineLostError,
    EngineRequest,
    EngineRunError,
    EngineState,
    PictureMade,
    PictureNotKeptError,
    PreviewMade,
    StepDone,
)
from app.flows.ending import end
from app.flows.pictures import is_current, keep, one_of, order_missing, request_of
from app.flows.results import give, recall, remember
from app.flows.studio import Studio
from app.logs import where
from app.scheduler.pace import Stopwatch
from app.scheduler.queue import Lease, claim_next, give_back, is_next
from app.store.transaction import Transaction

log = logging.getLogger(__name__)

ENGINE_LOST: Final = "engine-lost"
INTERNAL_ERROR: Final = "internal-error"
MEANT_TO_END: Final = frozenset({EngineState.STOPPED, EngineState.UNLOADED})
# Without news for so long, a running job is taken for given up; only other processes ask.
LEASE: Final = timedelta(seconds=15)


def is_ready(studio: Studio) -> bool:
    return studio.engine.status().state is EngineState.READY


def claim(studio: Studio, at_engine: Sequence[Job] = ()) -> Job | None:
    """The next job, now running; None when the queue is empty or paused, or when that job has to wait for those that
    are at the engine.

    A job under which a child was lost shares one with nobody: should it be the cause, it costs no others a try.
    """
    requests = [request_of(job) for job in at_engine]
    if requests and not any(studio.engine.has_room(requests, one_of(request)) for request in requests):
        return None

    def fits(job: Job) -> bool:
        return not requests or studio.engine.has_room(requests, request_of(job))

    # SQLite has one writer at a time: there a queue without anything to begin is only read.
    if (requests or studio.alone) and not studio.store.read(lambda tx: _is_open(tx) and is_next(tx, fits)):
        return None
    job = studio.store.write(lambda tx: _claim_in(studio, tx, fits))
    if job is not None:
        studio.line.changed()
        studio.progress.step(job.id, job.user_id, 0, 0)
    return job


def _claim_in(studio: Studio, tx: Transaction, fits: Callable[[Job], bool]) -> Job | None:
    return claim_next(tx, studio.clock.now(), lease(studio), fits) if _is_open(tx) else None


def lease(studio: Studio) -> Lease:
    return Lease(studio.worker, studio.clock.now() + LEASE)


def run(studio: Studio, job: Job, on_steps_done: Callable[[], None] = lambda: None) -> None:
    """Make the pictures that are still missing. No transaction is open while the engine works.

    `on_steps_done` is called when the engine could begin the next job, before the last picture is kept.

    Raises UnavailableError when the database goes away: the job is put back as soon as it returns.
    """
    carry_out(studio, job, lambda: _make_in_two_tries(studio, job, on_steps_done))


def carry_out(studio: Studio, job: Job, make: Callable[[], bool]) -> None:
    """End the running job as `make` ends, which says whether it has ended it itself. Raises as `run` does."""
    try:
        _run_to_its_end(studio, job, make)
    except StudioError:
        raise
    except Exception as error:
        # A mistake of ours: tried again like a crash, or one such job would come back for ever.
        log.error("job %s: %s", job.id, type(error).__name__, exc_info=where(error))
        hand_back(studio, job, lost=True, why=INTERNAL_ERROR)
    finally:
        studio.progress.forget(job.id, job.user_id)
        studio.line.changed()


def _run_to_its_end(studio: Studio, job: Job, make: Callable[[], bool]) -> None:
    try:
        if not make():
            end(studio, job, JobState.SUCCEEDED)
    except EngineCancelledError:
        # Whoever cancelled has ended the job already; this only catches an engine that gave up by itself.
        end(studio, job, JobState.CANCELLED)
    except EngineLostError:
        hand_back(studio, job, lost=studio.engine.status().state not in MEANT_TO_END)
    except (EngineRunError, PictureNotKeptError) as error:
        log.warning("job %s failed: %s", job.id, error.code)
        end(studio, job, JobState.FAILED, error.code)


def hand_back(studio: Studio, job: Job, *, lost: bool, why: str = ENGINE_LOST) -> None:
    """Let the job wait again with its reservation; after the third crash under it, it fails."""
    if lost and job.losses + 1 >= MAX_LOSSES:
        end(studio, job, JobState.FAILED, why)
    else:
        studio.store.write(lambda tx: give_back(tx, job, lost=lost))


def _make_in_two_tries(studio: Studio, job: Job, on_steps_done: Callable[[], None]) -> bool:
    """Memory that others held a moment ago may be free by now."""
    try:
        return _make(studio, job, on_steps_done)
    except EngineRunError as error:
        if error.code not in LACKS_OF_MEMORY:
            raise
        log.warning("job %s ran out of memory; trying once more", job.id)
        return _make(studio, job, on_steps_done)


def _make(studio: Studio, job: Job, on_steps_done: Callable[[], None]) -> bool:
    """Whether the job has ended with its last picture: it has not if an earlier attempt had made them all."""
    for made in recall(studio, job):
        if made is not None and give(studio, job, made):
            return True
    request = order_missing(studio, job)
    return bool(request.pictures) and _make_missing(studio, job, request, on_steps_done)


def _make_missing(studio: Studio, job: Job, request: EngineRequest, on_steps_done: Callable[[], None]) -> bool:
    watch, pixels = Stopwatch(), job.width * job.height
    at_work = {order.index for order in request.pictures}
    missing, ended = set(at_work), False
    for event in studio.engine.run(request):
        match event:
            case StepDone():
                watch.step(event.index, event.shared)
                at_work -= {event.index} if event.step == job.denoising_steps else set()
                if not at_work:
                    on_steps_done()
                _require_current_at_first(studio, job, event)
                work = watch.work(event.index)
                if work is not None and studio.pace.suppose(pixels, work):
                    studio.line.changed()
                studio.progress.step(job.id, job.user_id, event.index, event.step, watch.typical(event.index))
            case PreviewMade():
                if event.index in missing:  # it was drawn beside the picture, and may come after it
                    studio.progress.show(job.id, job.user_id, event.webp)
            case PictureMade():
                missing.discard(event.index)
                studio.progress.hide(job.id)
                ended = keep(studio, job, event)
                remember(studio, job, request, event)
                studio.pace.learn(pixels, watch.picture(event.index))
                studio.line.changed()
                studio.progress.step(job.id, job.user_id, event.index, job.denoising_steps)
    return ended


def _require_current_at_first(studio: Studio, job: Job, done: StepDone) -> None:
    """A cancel between claim and start finds no run to end: the first step looks once."""
    if done.step == 1 and not studio.store.read(lambda tx: is_current(tx, job)):
        studio.engine.cancel(job.id)


def _is_open(tx: Transaction) -> bool:
    return not tx.service.get().paused
