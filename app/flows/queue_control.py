"""The queue as administrators see and steer it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.audit.events import QueueControlled
from app.auth.policy import Permission
from app.domain.people import Origin, Principal
from app.domain.ports import EngineStatus
from app.domain.results import ResultsStatus
from app.flows.jobs import JobView, job_views
from app.flows.studio import Studio
from app.store.transaction import Transaction

MOST_SHOWN: Final = 200
Steer = Callable[[Studio, Principal, Origin], None]


@dataclass(frozen=True, slots=True)
class QueueView:
    """Running jobs first, then the queue in its order with places; at most MOST_SHOWN. Draining is paused, too."""

    paused: bool
    draining: bool
    jobs: tuple[JobView, ...]
    engine: EngineStatus
    cache: ResultsStatus


def view_queue(studio: Studio, actor: Principal, origin: Origin) -> QueueView:
    studio.permit(actor, Permission.QUEUE_MANAGE, origin)
    engine, cache = studio.engine.status(), studio.results.status()

    def work(tx: Transaction) -> QueueView:
        service, jobs = tx.service.get(), tx.jobs.unfinished(limit=MOST_SHOWN)
        views = sorted(job_views(studio, tx, jobs), key=lambda view: view.position or 0)
        return QueueView(service.paused, service.draining, tuple(views), engine, cache)

    return studio.store.read(work)


def pause(studio: Studio, actor: Principal, origin: Origin) -> None:
    """Start nothing new; jobs are still accepted and wait."""
    _steer(studio, actor, origin, "pause")


def drain(studio: Studio, actor: Principal, origin: Origin) -> None:
    """Start nothing new and accept nothing new: what runs is finished, what waits waits on."""
    _steer(studio, actor, origin, "drain")


def resume(studio: Studio, actor: Principal, origin: Origin) -> None:
    _steer(studio, actor, origin, "resume")


def _steer(studio: Studio, actor: Principal, origin: Origin, verb: str) -> None:
    studio.permit(actor, Permission.QUEUE_MANAGE, origin)

    def work(tx: Transaction) -> None:
        tx.service.steer(paused=verb != "resume", draining=verb == "drain")
        studio.record(tx, QueueControlled(verb=verb), actor, origin)

    studio.store.write(work)
    studio.progress.note()
    studio.queue_changed()
