"""The engine as administrators see and steer it: which model is loaded, which are there, load another, unload."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.audit.events import EngineControlled
from app.auth.policy import Permission
from app.domain.errors import FieldError, InvalidRequestError, printable
from app.domain.models import FoundModel, parse_model, parse_model_or_path
from app.domain.people import Origin, Principal
from app.domain.ports import EngineStatus
from app.flows.engine_wishes import BELIEVED, carry_out, status_from_text
from app.flows.studio import Studio
from app.store.service import ServiceRow
from app.store.transaction import Transaction

LOAD_FIELDS: Final = frozenset({"model"})


@dataclass(frozen=True, slots=True)
class EngineView:
    """The engine of this process, and the models on this machine."""

    status: EngineStatus
    models: tuple[FoundModel, ...]


@dataclass(frozen=True, slots=True)
class ServerEngine:
    """The engine of a server that was heard of a moment ago, at `seen_at`."""

    worker: str
    status: EngineStatus
    seen_at: datetime


def view_engine(studio: Studio, actor: Principal, origin: Origin) -> EngineView:
    studio.permit(actor, Permission.ENGINE_MANAGE, origin)
    return EngineView(studio.engine.status(), tuple(studio.shelf.found()))


def engines_of_servers(studio: Studio, actor: Principal, origin: Origin) -> tuple[ServerEngine, ...]:
    """What each running server says of its engine: for a process that has none itself."""
    studio.permit(actor, Permission.ENGINE_MANAGE, origin)
    rows = studio.store.read(lambda tx: tx.engines.seen_since(studio.clock.now() - BELIEVED))
    return tuple(ServerEngine(row.worker, status_from_text(row.status), row.seen_at) for row in rows)


def load(studio: Studio, actor: Principal, body: Mapping[str, object], origin: Origin) -> None:
    """Load the `model` of the body, on every server: `auto`, `demo`, one that is there, or a hub id; never a path.

    What serves goes on until the new one is ready. Raises InvalidRequestError.
    """
    studio.permit(actor, Permission.ENGINE_MANAGE, origin)
    if unknown := sorted(set(body) - LOAD_FIELDS):
        raise InvalidRequestError([FieldError(printable(name), "field.unknown") for name in unknown])
    if "model" not in body:
        raise InvalidRequestError([FieldError("model", "field.required")])
    _wish(studio, actor, origin, parse_model(body["model"], _names(studio)))


def load_on_the_spot(studio: Studio, actor: Principal, model: str, origin: Origin) -> None:
    """The same for whoever sits at the server: there a path is no secret. Raises InvalidRequestError."""
    studio.permit(actor, Permission.ENGINE_MANAGE, origin)
    _wish(studio, actor, origin, parse_model_or_path(model, _names(studio)))


def unload(studio: Studio, actor: Principal, origin: Origin) -> None:
    """Once what runs is done, give the memory back; jobs wait for the next load."""
    studio.permit(actor, Permission.ENGINE_MANAGE, origin)
    _wish(studio, actor, origin, None)


def changed_files(studio: Studio, actor: Principal, model: str, origin: Origin) -> tuple[str, ...]:
    """What of a downloaded model is no longer what was downloaded; reads all of it. Raises ConflictError."""
    studio.permit(actor, Permission.ENGINE_MANAGE, origin)
    return tuple(studio.shelf.changed(model))


def _wish(studio: Studio, actor: Principal, origin: Origin, model: str | None) -> None:
    def work(tx: Transaction) -> ServiceRow:
        verb = "unload" if model is None else "load"
        studio.record(tx, EngineControlled(verb=verb, model=model or ""), actor, origin)
        return tx.service.wish(model)

    # In a server at once, without waiting for the watcher.
    carry_out(studio, studio.store.write(work))
    studio.progress.note()
    studio.wake()


def _names(studio: Studio) -> frozenset[str]:
    return frozenset(each.name for each in studio.shelf.found())
