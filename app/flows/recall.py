"""Whoever asks for what was made before does not wait: neither for the engine nor behind those who wait for it."""

from collections.abc import Sequence
from typing import Final

from app.domain.jobs import Job, JobState
from app.domain.ports import EngineRunError, PictureMade
from app.flows.results import give, present_facts, recall
from app.flows.run import carry_out, lease
from app.flows.studio import Studio
from app.scheduler.queue import claim_out_of_turn, set_turns_anew
from app.store.transaction import Transaction

AT_ONCE: Final = 100
ALIKE: Final = ("prompt", "width", "height", "steps", "guidance_scale", "image", "mask", "strength")


class Recall:
    """Looks at each click once, and at what else its owner has waiting when a job is done."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._seen = 0
        self._facts: dict[str, str] = {}

    def __call__(self) -> None:
        """Whatever was clicked since the last look; with another model, everything that waits.

        A click that is committed late, or under which something goes wrong here, is given its pictures in its turn.
        """
        studio, facts = self._studio, dict(present_facts(self._studio))
        if facts != self._facts:
            self._facts, self._seen = facts, 0
        while facts and (jobs := studio.store.read(lambda tx: _clicked_since(tx, self._seen))):
            for job in jobs:
                self._seen = job.seq
                serve(studio, job)

    def after(self, job: Job) -> None:
        """The same picture may have been asked for twice before it was there."""
        studio = self._studio
        if not present_facts(studio):
            return
        waiting = studio.store.read(
            lambda tx: () if tx.service.get().paused else tx.jobs.unfinished(job.user_id, limit=AT_ONCE)
        )
        for each in waiting:
            if each.state is JobState.QUEUED and _is_alike(each, job):
                serve(studio, each)


def serve(studio: Studio, job: Job) -> None:
    """End the waiting job now if all its pictures were made before; else it waits on, and nothing is changed."""
    found: list[PictureMade] = []
    try:
        for made in recall(studio, job):
            if made is None:
                return
            found.append(made)
    except (EngineRunError, OSError):  # what it begins with is gone: its turn will say so
        return
    if (claimed := _claim(studio, job)) is not None:
        carry_out(studio, claimed, lambda: _give_all(studio, claimed, found))


def _give_all(studio: Studio, job: Job, found: Sequence[PictureMade]) -> bool:
    ended = False
    for made in found:
        ended = give(studio, job, made)
    return ended


def _is_alike(one: Job, other: Job) -> bool:
    """Whether they may have a picture in common."""
    return all(getattr(one, name) == getattr(other, name) for name in ALIKE)


def _claim(studio: Studio, job: Job) -> Job | None:
    """Said before it is so: nobody may find the job running, and nobody running it."""
    taken = studio.progress.take(job.id)
    if taken is None:
        return None
    claimed = None
    try:
        claimed = studio.store.write(lambda tx: _claim_in(studio, tx, job))
    finally:
        if claimed is None:
            studio.progress.let_go(job.id, taken)
    return claimed


def _claim_in(studio: Studio, tx: Transaction, job: Job) -> Job | None:
    """It costs the machine nothing, so it takes no turn: what else its owner has waiting moves up."""
    if tx.service.get().paused:
        return None
    claimed = claim_out_of_turn(tx, job, studio.clock.now(), lease(studio))
    owner = tx.users.get(job.user_id)
    if claimed is not None and owner is not None:
        set_turns_anew(tx, job.user_id, owner.limits.weight)
    return claimed


def _clicked_since(tx: Transaction, seq: int) -> tuple[Job, ...]:
    return () if tx.service.get().paused else tx.jobs.clicked_since(seq, AT_ONCE)
