"""The pictures of a running job: which are missing, and how one that was made is kept and charged."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from app.domain.errors import NotFoundError
from app.domain.generation import engine_text, picture_seed
from app.domain.jobs import UNFINISHED, Job, JobState, picture_id
from app.domain.people import daily_allowance
from app.domain.ports import (
    EngineCancelledError,
    EngineRequest,
    EngineRunError,
    PictureMade,
    PictureOrder,
    PictureRecipe,
)
from app.flows.ending import end_in
from app.flows.studio import Studio
from app.flows.uploads import read_source
from app.quota.service import charge_picture, may_be_free, release_picture
from app.store.transaction import Transaction

log = logging.getLogger(__name__)


def order_missing(studio: Studio, job: Job) -> EngineRequest:
    """What the engine has to make: the pictures that no earlier attempt has delivered.

    Raises EngineRunError `input-gone` when what the job begins with is there no more.
    """
    request = request_of(job, studio.store.read(lambda tx: tx.images.indices(job.id)))
    try:
        sources = [None if each is None else read_source(studio, job.user_id, each) for each in (job.image, job.mask)]
    except NotFoundError:
        raise EngineRunError("input-gone") from None
    return replace(request, image=sources[0], mask=sources[1])


def request_of(job: Job, made: Collection[int] = ()) -> EngineRequest:
    """All of its pictures but those that are `made`, without the files that it begins with."""
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
        exact=job.exact,
        alone=job.losses > 0,
        strength=job.strength,
        loras=job.loras,
    )


def one_of(request: EngineRequest) -> EngineRequest:
    """The least that would be like it."""
    return replace(request, job_id="", alone=False, exact=False, pictures=request.pictures[:1])


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
        image=job.image,
        mask=job.mask,
        strength=job.strength,
        loras=job.loras,
    )


def is_current(tx: Transaction, job: Job) -> bool:
    """Whether the job still runs in this attempt, and nobody cancelled it or took it over."""
    current = tx.jobs.get(job.id)
    return current is not None and (current.state, current.attempt) == (JobState.RUNNING, job.attempt)


def keep(studio: Studio, job: Job, made: PictureMade, *, cached: bool = False) -> bool:
    """File first, then row and charge in one transaction: a crash between leaves a file that the next try replaces.

    With its last picture the job ends, in the same transaction: whether it did. One that is `cached` was made before,
    and costs what is configured.

    Raises EngineCancelledError when the job has ended or is somebody else's by now.
    """
    if not studio.store.read(lambda tx: is_current(tx, job)):
        raise EngineCancelledError
    recipe, charged = recipe_of(studio, job, made.index), studio.results_charged or not cached
    stored = studio.vault.keep(recipe, made.png, made.thumbnail, made.facts)
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
        "cached": cached,
        "charged": charged,
    }
    ended = studio.store.write(lambda tx: _settle(studio, tx, job, made.index, values))
    if ended is None:
        if studio.store.read(lambda tx: _is_unwanted(tx, job, made.index)):
            studio.vault.discard(stored.path, recipe.picture_id)
        raise EngineCancelledError
    return ended


def _settle(studio: Studio, tx: Transaction, job: Job, index: int, values: Mapping[str, Any]) -> bool | None:
    """Whether the job ended with this picture; None if it moved meanwhile, and nothing was recorded."""
    now = studio.clock.now()
    revision = tx.users.next_revision(job.user_id)
    if not is_current(tx, job):
        return None
    charged = values["charged"] or not _may_be_free(tx, job)
    tx.images.add({**values, "charged": charged, "created_at": now})
    if charged:
        charge_picture(tx, job, index, now, cached=values["cached"])
    else:
        release_picture(tx, job, index, now)
    if len(tx.images.indices(job.id)) == job.count:
        return end_in(studio, tx, job, JobState.SUCCEEDED)
    tx.jobs.touch(job.id, revision)
    return False


def _may_be_free(tx: Transaction, job: Job) -> bool:
    owner = tx.users.get(job.user_id)
    return owner is None or may_be_free(tx, job, daily_allowance(owner.user.quota_daily, owner.limits.quota_daily))


def discard_unrecorded(studio: Studio, job: Job) -> None:
    """Remove the files that lie between writing and recording, of a job that no attempt may record any more."""
    recorded = studio.store.read(lambda tx: tx.images.indices(job.id))
    for index in set(range(job.count)) - recorded:
        recipe = recipe_of(studio, job, index)
        try:
            studio.vault.discard(studio.vault.path_of(recipe), recipe.picture_id)
        except OSError as error:  # what the disk will not give up is found by `db check`
            log.warning("a file of job %s cannot be removed: %s", job.id, error.strerror)


def _is_unwanted(tx: Transaction, job: Job, index: int) -> bool:
    """Whether no row has that picture, and no other attempt is about to write the same file."""
    current = tx.jobs.get(job.id)
    return (current is None or current.state not in UNFINISHED) and index not in tx.images.indices(job.id)
