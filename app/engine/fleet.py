"""The children that serve one model: one a device, each going its own way."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from app.domain.ports import EngineEvent, EngineLostError, EngineRequest, EngineState, EngineStatus
from app.engine import placing, wire
from app.engine.slot import Slot

# The fleet is as far as the child that is furthest.
FURTHEST: Final = (
    EngineState.READY,
    EngineState.WARMING,
    EngineState.LOADING,
    EngineState.DOWNLOADING,
    EngineState.STARTING,
    EngineState.FAILED,
    EngineState.STOPPED,
)
ALL_CARDS: Final = ("auto", "cuda")


class Fleet:
    """From `start` to `stop`; `setups` has one for each device. The first child tells how many cards there are where
    all are meant. Methods may be called from any thread."""

    def __init__(
        self, setups: Sequence[wire.Setup], on_change: Callable[[], None], *, silence_limit: float | None = None
    ) -> None:
        self._on_change = on_change
        self._silence_limit = silence_limit
        self._lock = threading.Lock()
        # Guarded by the lock:
        self._slots: list[Slot] = []
        self._started = False
        self._leaving = False
        self._add(setups)
        self._every_card = setups[0] if len(setups) == 1 and setups[0].device in ALL_CARDS else None

    def start(self) -> None:
        with self._lock:
            self._started, self._leaving = True, False
        for slot in self.slots:
            slot.start()

    def stop(self, timeout: float) -> None:
        """All children at once; after `timeout` seconds they are killed."""
        deadline = time.monotonic() + timeout
        with self._lock:
            self._started, self._leaving = False, True
        for slot in self.slots:
            slot.ask_to_stop()
        for slot in self.slots:
            slot.stop(max(0.0, deadline - time.monotonic()))

    def leave(self) -> None:
        """Nothing begins here any more; returns when nothing runs."""
        with self._lock:
            self._leaving = True
        for slot in self.slots:
            slot.wait_until_idle()

    @property
    def slots(self) -> tuple[Slot, ...]:
        with self._lock:
            return tuple(self._slots)

    def status(self) -> EngineStatus:
        """That of the child that is furthest, and all of them one by one."""
        slots = self.slots
        first = min((slot.status() for slot in slots), key=lambda status: FURTHEST.index(status.state))
        return replace(first, slots=tuple(slot.described() for slot in slots))

    def run(self, request: EngineRequest) -> Iterator[EngineEvent]:
        """Where it may begin at once; where nothing is free, with whoever has the least to do. Raises EngineLostError
        once it leaves."""
        with self._lock:
            if self._leaving:
                raise EngineLostError
            slots = self._ready() or self._slots
            rooms = [slot.room() for slot in slots]
            at = placing.place(rooms, request)
            if at is None:
                at = min(range(len(rooms)), key=lambda each: len(rooms[each].running))
            # Under the lock, so that the next one sees it there; told outside: a child that hangs holds up no other.
            run, child = slots[at].reserve(request)
        return slots[at].run(run, child, request)

    def has_room(self, running: Sequence[EngineRequest], request: EngineRequest) -> bool:
        """Whether it would begin at once beside those that are `running`, also those that are still on their way."""
        with self._lock:
            rooms = [slot.room() for slot in self._ready() or self._slots]
        begun = {each.job_id for room in rooms for each in room.running}
        filled = placing.with_all(rooms, [each for each in running if each.job_id not in begun])
        return placing.place(filled, request) is not None

    def cancel(self, job_id: str) -> None:
        for slot in self.slots:
            slot.cancel(job_id)

    def count_tokens(self, text: str) -> int | None:
        return next((found for slot in self.slots if (found := slot.count_tokens(text)) is not None), None)

    def _ready(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.status().state is EngineState.READY]

    def _add(self, setups: Sequence[wire.Setup]) -> list[Slot]:
        new = [Slot(setup, self._changed, silence_limit=self._silence_limit) for setup in setups]
        self._slots += new
        return new

    def _changed(self) -> None:
        self._take_every_card()
        self._on_change()

    def _take_every_card(self) -> None:
        """Once the first child has told how many there are; by then the model is here, and is fetched only once."""
        if self._every_card is None:
            return
        with self._lock:
            first = self._slots[0]
            known = first.status().state in {EngineState.LOADING, EngineState.WARMING, EngineState.READY}
            if not known or self._every_card is None:
                return
            setup, self._every_card = self._every_card, None
            new = self._add([replace(setup, device=f"cuda:{number}") for number in range(1, first.cards)])
            started = self._started
        if not started:
            return
        for slot in new:
            slot.start()
        with self._lock:
            started = self._started
        for slot in () if started else new:  # the end came between
            slot.stop(0.0)
