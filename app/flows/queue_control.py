"""The queue as administrators see and steer it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.audit.events import QueueControlled
from app.auth.policy import Permission
from app.domain.jobs import Job
from app.domain.people import Origin, Principal
from app.domain.ports import EngineStatus
from app.flows.studio import Studio
from app.store.transaction import Transaction

MOST_SHOWN: Final = 200
Steer = Callable[[Studio, Principal, Origin], None]


@dataclass(frozen=True, slots=True)
class QueueView:
    """Running jobs first, then the queue in its order; at most MOST_SHOWN."""

    paused: bool
    jobs: tuple[Job, ...]
    engine: EngineStatus


def view_queue(studio: Studio, actor: Principal, origin: Origin) -> QueueView:
    studio.permit(actor, Permission.QUEUE_MANAGE, origin)

    def work(tx: Transaction) -> QueueView:
        jobs = tx.jobs.unfinished(limit=MOST_SHOWN)
        return QueueView(tx.service.get().paused, jobs, studio.engine.status())

    return studio.store.read(work)


def pause(studio: Studio, actor: Principal, origin: Origin) -> None:
    """Start nothing new; jobs are still accepted and wait."""
    _set(studio, actor, origin, paused=True)


def resume(studio: Studio, actor: Principal, origin: Origin) -> None:
    _set(studio, actor, origin, paused=False)


def _set(studio: Studio, actor: Principal, origin: Origin, *, paused: bool) -> None:
    studio.permit(actor, Permission.QUEUE_MANAGE, origin)

    def work(tx: Transaction) -> None:
        tx.service.set_paused(paused=paused)
        studio.record(tx, QueueControlled(verb="pause" if paused else "resume"), actor, origin)

    studio.store.write(work)
    studio.progress.changed()
    studio.wake()
