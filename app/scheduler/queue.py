"""The queue's moves: a turn for a click, the next in line claimed, given back, and turns set anew."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app.domain.jobs import Job, JobState
from app.domain.people import Principal
from app.scheduler.fairness import Turn, Waiting, new_turns, next_turn
from app.store.transaction import Transaction

# Two dispatchers may want the same job: whoever comes second looks again.
CLAIM_TRIES: Final = 8
CLAIMED: Final = ("attempt", "started_at", "revision", "worker", "lease_until")


@dataclass(frozen=True, slots=True)
class Lease:
    """Who runs a job, and until when that is believed without news."""

    worker: str
    until: datetime


def turn_of_click(tx: Transaction, actor: Principal, work: int, *, bulk: bool) -> Turn:
    """When the new job's turn comes. The user's row must be locked."""
    turns = tx.users.turns(actor.user_id)
    served = turns.served_until_bulk if bulk else turns.served_until
    return next_turn(
        now=tx.service.get().virtual_time,
        served_until=max(served, tx.jobs.last_turn(actor.user_id, bulk=bulk)),
        work=work,
        weight=actor.limits.weight,
        bulk=bulk,
    )


def claim_next(
    tx: Transaction, now: datetime, lease: Lease, fits: Callable[[Job], bool] = lambda _: True
) -> Job | None:
    """Claim the job that is next, or None if it does not fit: nobody is passed by.

    The claim raises `attempt`, which fences late results.
    """
    for _ in range(CLAIM_TRIES):
        first = tx.jobs.next_in_line()
        if first is None:
            return None
        revision = tx.users.next_revision(first.user_id)
        # Its row is locked by now: only what is read from here on stays true.
        job = tx.jobs.get(first.id)
        if job is None:
            continue
        if not fits(job):
            return None
        claimed = _begin(tx, job, revision, now, lease)
        if claimed is None:
            continue
        if job.attempt == 0:  # a second attempt has had its turn
            tx.service.begin_turn(job.vstart)
            tx.users.serve(job.user_id, until=job.vfinish, bulk=job.bulk)
        return claimed
    return None


def claim_out_of_turn(tx: Transaction, job: Job, now: datetime, lease: Lease) -> Job | None:
    """Claim a job that waits, whoever is before it, without a turn; None if somebody was quicker."""
    revision = tx.users.next_revision(job.user_id)
    current = tx.jobs.get(job.id)
    return None if current is None else _begin(tx, current, revision, now, lease)


def is_next(tx: Transaction, fits: Callable[[Job], bool]) -> bool:
    """Whether the job that is next fits, as far as anybody can know who holds no lock."""
    first = tx.jobs.next_in_line()
    job = None if first is None else tx.jobs.get(first.id)
    return job is not None and fits(job)


def give_back(tx: Transaction, job: Job, *, lost: bool) -> bool:
    """Put a running job back in front of its owner's queue; `lost` counts a crash under it. False if it moved."""
    revision = tx.users.next_revision(job.user_id)
    values = {"losses": job.losses + int(lost), "started_at": None, "revision": revision}
    return tx.jobs.move(job, JobState.QUEUED, values | {"worker": None, "lease_until": None})


def note_idleness(tx: Transaction) -> None:
    """With nothing left to do all turns are over: nobody's next click waits for what was made alone before.

    The last statement but an announcement: the service's row is locked after all others.
    """
    if not tx.jobs.any_unfinished():
        tx.service.set_virtual_time(tx.users.latest_turn())


def set_turns_anew(tx: Transaction, user_id: int, weight: int) -> None:
    """After a cancel or with another weight: the person's waiting jobs close up. The user's row must be locked."""
    turns, now = tx.users.turns(user_id), tx.service.get().virtual_time
    for bulk, served in ((False, turns.served_until), (True, turns.served_until_bulk)):
        jobs = tx.jobs.waiting_of(user_id, bulk=bulk)
        waiting = [Waiting(job.pixel_steps, Turn(job.vstart, job.vfinish), begun=job.attempt > 0) for job in jobs]
        for place, turn in new_turns(waiting, now=now, served_until=served, weight=weight, bulk=bulk):
            tx.jobs.set_turn(jobs[place].id, turn.start, turn.finish)


def _begin(tx: Transaction, job: Job, revision: int, now: datetime, lease: Lease) -> Job | None:
    """The job as it runs from now on; None if it does not wait. Its owner's row must be locked."""
    claimed = replace(
        job,
        state=JobState.RUNNING,
        attempt=job.attempt + 1,
        started_at=now,
        revision=revision,
        worker=lease.worker,
        lease_until=lease.until,
    )
    moved = tx.jobs.move(job, JobState.RUNNING, {name: getattr(claimed, name) for name in CLAIMED})
    return claimed if moved else None


def may_take_over(job: Job, *, worker: str, now: datetime, alone: bool) -> bool:
    """Whether a running job that does not run here may be put back: nobody else can be at it.

    `alone`: this process holds a lock that no living process could share.
    """
    return alone or job.worker in {None, worker} or job.lease_until is None or job.lease_until <= now
