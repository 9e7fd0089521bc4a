"""The machine's side of a click: claim, make, keep, charge, end. Every way out settles or gives back."""

import logging
from typing import Final

from app.audit.events import JobEnded
from app.domain.generation import engine_text, picture_seed
from app.domain.jobs import MAX_LOSSES, Job, JobState, picture_id
from app.domain.ports import (
    EngineCancelledError,
    EngineLostError,
    EngineRequest,
    EngineRunError,
    EngineState,
    PictureMade,
    PictureNotKeptError,
    PictureOrder,
    PictureRecipe,
    StepDone,
)
from app.flows.studio import Studio
from app.quota.service import charge_picture, release_rest
from app.scheduler.queue import claim_next, give_back
from app.store.transaction import Transaction

log = logging.getLogger(__name__)

ENGINE_LOST: Final = "engine-lost"


def is_ready(studio: Studio) -> bool:
    return studio.engine.status().state is EngineState.READY


def claim(studio: Studio) -> Job | None:
    """The next job, now running; None when the queue is empty or paused."""
    if not studio.store.read(_has_work):
        return None
    job = studio.store.write(lambda tx: claim_next(tx, studio.clock.now()) if _has_work(tx) else None)
    if job is not None:
        studio.progress.step(job.id, job.user_id, 0, 0)
    return job


def run(studio: Studio, job: Job) -> None:
    """Make the pictures that are still missing. No transaction is open while the engine works."""
    try:
        request = _order(studio, job)
        for event in studio.engine.run(request):
            if isinstance(event, StepDone):
                _require_current_at_first(studio, job, event)
                studio.progress.step(job.id, job.user_id, event.index, event.step)
            else:
                _keep(studio, job, event)
        end(studio, job, JobState.SUCCEEDED)
    except EngineCancelledError:
        # Whoever cancelled has ended the job already; this only catches an engine that gave up by itself.
        end(studio, job, JobState.CANCELLED)
    except EngineLostError:
        hand_back(studio, job, lost=studio.engine.status().state is not EngineState.STOPPED)
    except (EngineRunError, PictureNotKeptError) as error:
        log.warning("job %s failed: %s", job.id, error.code)
        end(studio, job, JobState.FAILED, error.code)
    finally:
        studio.progress.forget(job.id, job.user_id)


def end(studio: Studio, job: Job, state: JobState, error_code: str | None = None) -> None:
    """End a running job and release what it still holds; nothing happens if it moved meanwhile."""
    studio.store.write(lambda tx: end_in(studio, tx, job, state, error_code))


def end_in(studio: Studio, tx: Transaction, job: Job, state: JobState, error_code: str | None = None) -> bool:
    """The same inside a transaction; also for a waiting job. Whether it was ended here."""
    now = studio.clock.now()
    revision = tx.users.next_revision(job.user_id)
    if not tx.jobs.move(job, state, {"ended_at": now, "error_code": error_code, "revision": revision}):
        return False
    release_rest(tx, job, state.value, now)
    pictures = len(tx.images.indices(job.id))
    event = JobEnded(subject=job.id, state=state.value, pictures=pictures, reason=error_code or "")
    studio.record(tx, event, None)
    return True


def hand_back(studio: Studio, job: Job, *, lost: bool) -> None:
    """Let the job wait again with its reservation; after the third crash under it, it fails."""
    if lost and job.losses + 1 >= MAX_LOSSES:
        end(studio, job, JobState.FAILED, ENGINE_LOST)
    else:
        studio.store.write(lambda tx: give_back(tx, job, lost=lost))


def recipe_of(studio: Studio, job: Job, index: int) -> PictureRecipe:
    """File name and metadata of picture `index`; the name depends on the job alone, not on the attempt."""
    return PictureRecipe(
        picture_id=picture_id(job.id, index),
        username=job.username,
        local_time=job.created_at.astimezone(studio.zone),
        prompt=job.prompt,
        negative_prompt=job.negative_prompt,
        width=job.width,
        height=job.height,
        steps=job.steps,
        guidance_scale=job.guidance_scale,
        seed=picture_seed(job.seed, index),
    )


def discard_unrecorded(studio: Studio, job: Job) -> None:
    """Remove the files that a crash left between writing and recording; for a job that is not being made."""
    recorded = studio.store.read(lambda tx: tx.images.indices(job.id))
    for index in set(range(job.count)) - recorded:
        recipe = recipe_of(studio, job, index)
        studio.vault.discard(studio.vault.path_of(recipe), recipe.picture_id)


def _has_work(tx: Transaction) -> bool:
    return not tx.service.get().paused and tx.jobs.oldest_waiting() is not None


def _order(studio: Studio, job: Job) -> EngineRequest:
    made = studio.store.read(lambda tx: tx.images.indices(job.id))
    missing = (index for index in range(job.count) if index not in made)
    return EngineRequest(
        job_id=job.id,
        attempt=job.attempt,
        prompt=engine_text(job.prompt),
        negative_prompt=engine_text(job.negative_prompt),
        width=job.width,
        height=job.height,
        steps=job.steps,
        guidance_scale=job.guidance_scale,
        pictures=tuple(PictureOrder(index=index, seed=picture_seed(job.seed, index)) for index in missing),
    )


def _require_current_at_first(studio: Studio, job: Job, done: StepDone) -> None:
    """A cancel between claim and start finds no run to end: the first step looks once."""
    if done.step == 1 and not studio.store.read(lambda tx: _is_current(tx, job)):
        studio.engine.cancel(job.id)


def _is_current(tx: Transaction, job: Job) -> bool:
    """Whether the job still runs in this attempt, and nobody cancelled it or took it over."""
    current = tx.jobs.get(job.id)
    return current is not None and (current.state, current.attempt) == (JobState.RUNNING, job.attempt)


def _keep(studio: Studio, job: Job, made: PictureMade) -> None:
    """File first, then row and charge in one transaction: a crash between leaves a file that the next try replaces."""
    if not studio.store.read(lambda tx: _is_current(tx, job)):
        raise EngineCancelledError
    recipe = recipe_of(studio, job, made.index)
    stored = studio.vault.keep(recipe, made.png, made.facts)
    values = {
        "id": recipe.picture_id,
        "job_id": job.id,
        "user_id": job.user_id,
        "picture_index": made.index,
        "seed": recipe.seed,
        "width": job.width,
        "height": job.height,
        "path": stored.path,
        "sha256": stored.sha256,
        "size": stored.size,
        "seconds": made.seconds,
    }

    def settle(tx: Transaction) -> bool:
        now = studio.clock.now()
        revision = tx.users.next_revision(job.user_id)
        if not _is_current(tx, job):
            return False
        tx.images.add(values | {"created_at": now})
        charge_picture(tx, job, made.index, now)
        tx.jobs.touch(job.id, revision)
        return True

    if not studio.store.write(settle):
        if made.index not in studio.store.read(lambda tx: tx.images.indices(job.id)):
            studio.vault.discard(stored.path, recipe.picture_id)
        raise EngineCancelledError
    studio.progress.step(job.id, job.user_id, made.index, job.steps)
