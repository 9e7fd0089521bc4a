"""Pictures that were made before: kept when they are made, given again to whoever may have them, forgotten."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from app.audit.events import ResultsCleared
from app.auth.policy import Permission
from app.domain.jobs import Job, picture_id
from app.domain.people import Origin, Principal
from app.domain.ports import EngineRequest, EngineState, PictureMade, PictureOrder
from app.domain.results import TILED, Result, recipe_text
from app.flows.pictures import keep, order_missing
from app.flows.studio import Studio

log = logging.getLogger(__name__)

# In these states it is known what the next picture will be made with.
KNOWN: Final = frozenset({EngineState.WARMING, EngineState.READY})


def present_facts(studio: Studio) -> Mapping[str, str]:
    """What a picture would be made with now; empty while nobody knows, or nothing is kept anyway."""
    status = studio.engine.status()
    return status.facts if studio.results.is_on and status.state in KNOWN else {}


def recall(studio: Studio, job: Job) -> Iterator[PictureMade | None]:
    """Each missing picture of the job in its order, as it was made before; None for one that has to be made."""
    facts = {} if job.loras else present_facts(studio)
    if not facts:
        yield None
        return
    request = order_missing(studio, job)
    for order in request.pictures:
        result = _find(studio, job, request, order, facts)
        if result is None:
            yield None
        else:
            yield PictureMade(
                index=order.index,
                seed=order.seed,
                png=result.png,
                thumbnail=result.thumbnail,
                seconds=0.0,
                facts=result.facts,
            )


def give(studio: Studio, job: Job, made: PictureMade) -> bool:
    """Keep what was made before as a picture of its own; whether the job ended with it. Raises what `keep` raises."""
    ended = keep(studio, job, made, cached=True)
    studio.results.note(hit=True)
    studio.line.changed()
    studio.progress.step(job.id, job.user_id, made.index, job.steps)
    return ended


def remember(studio: Studio, job: Job, request: EngineRequest, made: PictureMade) -> None:
    """After it was kept: a crash before this only means that it is made once more."""
    studio.results.note(hit=False)
    # The files of LoRAs may change under their names; what memory allows only in tiles it allows whole another time.
    if studio.results.is_on and not request.loras and TILED not in made.facts:
        order = PictureOrder(index=made.index, seed=made.seed)
        recipe = recipe_text(request, order, made.facts, _scope(studio, job))
        source = picture_id(job.id, made.index)
        result = Result(
            png=made.png, thumbnail=made.thumbnail, facts=made.facts, picture_id=source, user_id=job.user_id
        )
        studio.results.keep(recipe, result)


def forget_what_is_gone(studio: Studio) -> None:
    """Copies of pictures that were deleted, and of people who were disabled, where no server that had them was told."""
    kept = studio.results.picture_ids()
    for image_id in kept - (studio.store.read(lambda tx: tx.images.shown(kept)) if kept else frozenset()):
        studio.results.forget_picture(image_id)


def clear_results(studio: Studio, actor: Principal, origin: Origin) -> None:
    """Everybody's: from now on every picture is made anew. Raises UnavailableError."""
    studio.permit(actor, Permission.QUEUE_MANAGE, origin)
    studio.store.write(lambda tx: studio.record(tx, ResultsCleared(), actor, origin))
    studio.results.clear()


def _find(
    studio: Studio, job: Job, request: EngineRequest, order: PictureOrder, facts: Mapping[str, str]
) -> Result | None:
    """An exact picture is as good as any, but only an exact one is good enough for an exact job."""
    for exact in (True,) if request.exact else (False, True):
        recipe = recipe_text(replace(request, exact=exact), order, facts, _scope(studio, job))
        if (result := studio.results.find(recipe)) is None:
            continue
        if studio.store.read(lambda tx, found=result: tx.images.shown([found.picture_id])):  # type: ignore[misc]
            return result
        studio.results.forget_picture(result.picture_id)
    return None


def _scope(studio: Studio, job: Job) -> int | None:
    return None if studio.results_shared else job.user_id
