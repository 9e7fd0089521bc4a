"""The engine of one machine: its children, and the way from one model to another. Torch stays out of here."""

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from app.domain.ports import EngineEvent, EngineLostError, EngineRequest, EngineState, EngineStatus
from app.engine import wire
from app.engine.core import profiles
from app.engine.fleet import Fleet
from app.logs import form, where

log = logging.getLogger(__name__)

DEVICE: Final = re.compile(r"auto|(cpu|cuda(:[0-9]{1,3})?)(,(cpu|cuda:[0-9]{1,3}))*")
SOURCES: Final = ("huggingface", "modelscope")
NO_MEMORY: Final = "engine.out-of-memory"
LEAVE_SECONDS: Final = 5.0
# A model that comes is whole and on this machine then.
CHECKED: Final = frozenset({EngineState.LOADING, EngineState.WARMING, EngineState.READY})
ARRIVED: Final = frozenset({EngineState.READY, EngineState.FAILED})


class LocalEngine:
    """`ports.Engine` on this machine. Runs that overlap are spread over the devices; on one device they share steps
    where they fit, else they wait for each other."""

    def __init__(  # noqa: PLR0913 - one argument a flag, and two
        self,
        model: str,
        source: str,
        device: str,
        models_dir: Path,
        on_change: Callable[[], None] | None = None,
        *,
        profile: str = profiles.AUTO,
        hub_endpoint: str = "",
        silence_limit: float | None = None,
    ) -> None:
        """`model`, `source`, `device`, `profile` and `hub_endpoint` as the flags of those names.

        `on_change` is called after each change of status, from any thread. A run during which its child says nothing
        for `silence_limit` seconds is lost and the child replaced; None: much longer than what was seen so far.
        Raises ValueError for an unknown source, device or profile.
        """
        if source not in SOURCES or not DEVICE.fullmatch(device) or profile not in profiles.NAMES:
            raise ValueError(f"unknown model source, device or profile: {source!r}, {device!r}, {profile!r}")
        devices = device.split(",")
        on_cpu = devices.count("cpu")
        setup = wire.Setup(
            model=model,
            source=source,
            hub_endpoint=hub_endpoint,
            device=device,
            models_dir=models_dir.absolute(),
            profile=profile,
            # Several children on one CPU share its cores.
            threads=max(1, len(os.sched_getaffinity(0)) // on_cpu) if on_cpu > 1 else 0,
            log_level=log.getEffectiveLevel(),
            log_format=form(),
        )
        self._setups = [replace(setup, device=each) for each in devices]
        self._on_change = on_change
        self._silence_limit = silence_limit
        self._changed = threading.Condition()
        # Guarded by the condition: who serves, who comes after them, who only ends what runs.
        self._model = model
        self._state: EngineState | None = EngineState.STOPPED  # STOPPED, UNLOADED; None: as the fleet's
        self._fleet = self._new_fleet(model)
        self._coming: Fleet | None = None
        self._coming_model = ""
        self._leaving: list[Fleet] = []
        self._trouble: EngineStatus | None = None
        self._wish = 0
        self._told = EngineStatus(state=EngineState.STOPPED)

    def start(self) -> None:
        with self._changed:
            if self._state is not EngineState.STOPPED:
                return
            self._state = None
            fleet = self._fleet
        fleet.start()

    def stop(self, timeout: float) -> None:
        with self._changed:
            self._state, self._wish = EngineState.STOPPED, self._wish + 1
            fleets = [self._fleet, *self._leaving, *filter(None, [self._coming])]
            self._coming = None
        # First of all: whoever loses a run by this asks for the status, and it is no breakdown.
        self._tell()
        stoppers = [threading.Thread(target=fleet.stop, args=(timeout,), daemon=True) for fleet in fleets]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()

    def status(self) -> EngineStatus:
        with self._changed:
            state, fleet, coming, trouble = self._state, self._fleet, self._coming, self._trouble
            model, coming_model = self._model, self._coming_model
        if state is not None:
            return EngineStatus(state=state, model=model if state is EngineState.UNLOADED else "")
        status = fleet.status()
        if coming is not None:
            its = coming.status()
            return replace(status, coming=its.model or coming_model, coming_state=its.state, progress=its.progress)
        if trouble is not None and not status.reason:
            return replace(status, reason=trouble.reason, params=trouble.params)
        return status

    @property
    def child_pid(self) -> int | None:
        """Process id of the first child, None while there is none."""
        return next(iter(self.child_pids), None)

    @property
    def child_pids(self) -> tuple[int, ...]:
        return tuple(pid for slot in self._fleet.slots if (pid := slot.child_pid) is not None)

    def load(self, model: str) -> None:
        with self._changed:
            if self._state is EngineState.STOPPED:
                return
            self._wish += 1
            threading.Thread(target=self._switch, args=(model, self._wish), name="engine-switch", daemon=True).start()

    def unload(self) -> None:
        with self._changed:
            if self._state is not None:
                return
            self._wish += 1
            self._state, self._trouble = EngineState.UNLOADED, None
            coming, self._coming = self._coming, None
            old = self._fleet
        self._tell()
        if coming is not None:
            coming.stop(LEAVE_SECONDS)
        threading.Thread(target=self._see_off, args=(old,), name="engine-unload", daemon=True).start()

    def run(self, request: EngineRequest) -> Iterator[EngineEvent]:
        """As the port says; the run begins with the first `next`, and ends when the iterator is closed."""
        yield from self._begin(request)

    def has_room(self, running: Sequence[EngineRequest], request: EngineRequest) -> bool:
        with self._changed:
            fleet, leaving = self._fleet, [*self._leaving]
        elsewhere = {each.job_id for old in leaving for slot in old.slots for each in slot.room().running}
        return fleet.has_room([each for each in running if each.job_id not in elsewhere], request)

    def cancel(self, job_id: str) -> None:
        with self._changed:
            fleets = [self._fleet, *self._leaving]
        for fleet in fleets:
            fleet.cancel(job_id)

    def count_tokens(self, text: str) -> int | None:
        with self._changed:
            fleet = self._fleet
        return fleet.count_tokens(text)

    def _begin(self, request: EngineRequest) -> Iterator[EngineEvent]:
        while True:
            with self._changed:
                if self._state is not None:
                    raise EngineLostError
                fleet = self._fleet
            try:
                return fleet.run(request)
            except EngineLostError:
                with self._changed:
                    if self._fleet is fleet:
                        raise
                # It has left in this very moment, and its successors are there.

    def _switch(self, model: str, wish: int) -> None:
        """In a thread of its own, until the model serves, has failed, or something else was wished for."""
        with self._changed:
            serves = self._state is None and self._fleet.status().state is EngineState.READY
            on_card = self._fleet.status().device.startswith("cuda")
        if not serves:
            self._replace(model, wish)
            return
        coming = self._new_fleet(model)
        with self._changed:
            if wish != self._wish:
                return
            before, self._coming, self._coming_model, self._trouble = self._coming, coming, model, None
        if before is not None:
            before.stop(LEAVE_SECONDS)
        coming.start()
        # A card is the new model's alone; that it is whole is seen before the old one leaves.
        state = self._wait(coming, CHECKED | ARRIVED if on_card else ARRIVED, wish)
        if state is None:
            coming.stop(LEAVE_SECONDS)
        elif state is EngineState.READY:
            self._take_over(coming, model, wish)
        elif state is EngineState.FAILED and coming.status().reason != NO_MEMORY:
            self._give_up(coming, wish)
        else:
            coming.stop(LEAVE_SECONDS)
            self._exchange(model, wish)

    def _exchange(self, model: str, wish: int) -> None:
        """There is memory for one of them: the old one leaves first, and comes back if the new one fails."""
        with self._changed:
            former = self._model
        self._replace(model, wish)
        fleet = self._fleet
        if self._wait(fleet, ARRIVED, wish) is EngineState.FAILED:
            trouble = fleet.status()
            log.error("The model %s cannot be loaded: %s is loaded again", model, former)
            self._replace(former, wish, trouble)

    def _replace(self, model: str, wish: int, trouble: EngineStatus | None = None) -> None:
        """Whoever serves leaves before the new ones come."""
        new = self._new_fleet(model)
        with self._changed:
            if wish != self._wish:
                return
            old, coming = self._fleet, self._coming
            self._fleet, self._model, self._coming, self._trouble, self._state = new, model, None, trouble, None
        self._tell()
        if coming is not None:
            coming.stop(LEAVE_SECONDS)
        self._see_off(old)
        if self._serves(new):
            new.start()
            if not self._serves(new):  # another wish came between
                new.stop(LEAVE_SECONDS)

    def _serves(self, fleet: Fleet) -> bool:
        with self._changed:
            return self._fleet is fleet and self._state is None

    def _take_over(self, coming: Fleet, model: str, wish: int) -> None:
        with self._changed:
            if wish != self._wish:
                return
            old, self._fleet, self._model, self._coming = self._fleet, coming, model, None
        self._tell()
        self._see_off(old)

    def _give_up(self, coming: Fleet, wish: int) -> None:
        """Whoever serves stays, and says why."""
        with self._changed:
            if wish == self._wish:
                self._coming, self._trouble = None, coming.status()
        self._tell()
        coming.stop(LEAVE_SECONDS)

    def _see_off(self, old: Fleet) -> None:
        """What runs there ends there."""
        with self._changed:
            self._leaving.append(old)
        old.leave()
        old.stop(LEAVE_SECONDS)
        with self._changed:
            self._leaving.remove(old)
        self._tell()

    def _wait(self, fleet: Fleet, states: frozenset[EngineState], wish: int) -> EngineState | None:
        """The first of these states that it reaches; None once something else is wished for."""
        while True:
            state = fleet.status().state
            with self._changed:
                if wish != self._wish:
                    return None
                if state in states:
                    return state
                self._changed.wait(1.0)

    def _new_fleet(self, model: str) -> Fleet:
        setups = [replace(setup, model=model) for setup in self._setups]
        return Fleet(setups, self._tell, silence_limit=self._silence_limit)

    def _tell(self) -> None:
        status = self.status()
        with self._changed:
            self._changed.notify_all()
            known, self._told = self._told, status
        if self._on_change is not None and status != known:
            try:
                self._on_change()
            except Exception as error:
                log.error("The listener for engine changes failed: %s", type(error).__name__, exc_info=where(error))
