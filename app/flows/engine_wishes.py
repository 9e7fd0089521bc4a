"""A wish for the engine is a row: whichever process took it down, each server carries it out, once.

A server that starts begins with the model of its settings; what was wished before is past.
"""

import contextlib
import json
import threading
import time
from dataclasses import asdict, fields, replace
from datetime import timedelta
from typing import Any, Final

from app.domain.errors import UnavailableError
from app.domain.ports import EngineState, EngineStatus, SlotStatus
from app.flows.studio import Studio
from app.store.service import ServiceRow

# A server writes down how its engine is when that changes, at most so often, and now and then anyway.
TELL_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 15.0
FORGET_SECONDS: Final = 1.0
# Without a word for so long, a server is gone.
BELIEVED: Final = timedelta(seconds=45)


def begin_wishes(studio: Studio) -> None:
    """From now on this process has an engine that wishes are for; with the database away, from its return on."""
    with contextlib.suppress(UnavailableError):
        studio.wishes.begin(studio.store.read(lambda tx: tx.service.get()).engine_wish)


def end_wishes(studio: Studio) -> None:
    """Nobody here carries out wishes any more. A database that is away does not hold up the stop."""
    studio.wishes.end()
    forgetting = threading.Thread(target=_forget, args=(studio,), name="forget-engine", daemon=True)
    forgetting.start()
    forgetting.join(FORGET_SECONDS)


def _forget(studio: Studio) -> None:
    since = studio.clock.now() - BELIEVED
    with contextlib.suppress(UnavailableError):
        studio.store.write(lambda tx: tx.engines.forget(studio.worker, unseen_since=since))


def carry_out(studio: Studio, service: ServiceRow) -> None:
    """Load or unload if that was not done yet; returns at once."""

    def fulfil() -> None:
        if service.engine_model is None:
            studio.engine.unload()
        else:
            studio.engine.load(service.engine_model)

    studio.wishes.take(service.engine_wish, fulfil)


class EngineTold:
    """Writes how this server's engine is, for whoever asks another process."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._told: EngineStatus | None = None
        self._at = 0.0

    def tell(self) -> None:
        studio, now = self._studio, time.monotonic()
        if not studio.wishes.begun or now < self._at + TELL_SECONDS:
            return
        status = studio.engine.status()
        steady = _steady(status)
        if steady == self._told and now < self._at + AGAIN_SECONDS:
            return
        studio.store.write(lambda tx: tx.engines.keep(studio.worker, status_to_text(status), studio.clock.now()))
        self._told, self._at = steady, now


def _steady(status: EngineStatus) -> EngineStatus:
    """Without what changes with every picture."""
    slots = tuple(replace(each, memory_used=None, seconds=None, running=0) for each in status.slots)
    percent = None if status.progress is None else round(status.progress, 2)
    return replace(status, slots=slots, progress=percent)


def status_to_text(status: EngineStatus) -> str:
    return json.dumps(asdict(status))


def status_from_text(text: str) -> EngineStatus:
    """Also as another version has written it: what is unknown here is left out."""
    found: dict[str, Any] = json.loads(text)
    found |= {"state": EngineState(found["state"]), "slots": tuple(map(_slot, found.get("slots", ())))}
    if found.get("coming_state") is not None:
        found["coming_state"] = EngineState(found["coming_state"])
    return EngineStatus(**{each.name: found[each.name] for each in fields(EngineStatus) if each.name in found})


def _slot(found: dict[str, Any]) -> SlotStatus:
    known = {each.name: found[each.name] for each in fields(SlotStatus) if each.name in found}
    return SlotStatus(**known | {"state": EngineState(found["state"])})
