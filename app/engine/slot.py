"""One device's part of the engine: a child process that is watched, restarted and spoken to."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from app.domain.ports import (
    EngineEvent,
    EngineLostError,
    EngineRequest,
    EngineState,
    EngineStatus,
    PictureMade,
    SlotStatus,
)
from app.engine import wire
from app.engine.child import Child
from app.engine.placing import Room
from app.engine.prompts import TokenCounter, counter_of
from app.engine.runs import Run, RunTable
from app.logs import where

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
LOST_GRACE: Final = 1.0
POLL: Final = 1.0
TOLD_EVERY: Final = 5  # percent of a download
# Before anything was measured: a step of the real model, compiled for the first time, or on a slow CPU.
CUDA_SILENCE: Final = 600.0
CPU_SILENCE: Final = 3600.0


class Slot:
    """A child for one device, from `start` to `stop`. Whatever kills it costs the runs in it one attempt and nobody
    else anything: it comes back by itself. Methods may be called from any thread."""

    def __init__(self, setup: wire.Setup, on_change: Callable[[], None], *, silence_limit: float | None = None) -> None:
        """`on_change` is called after each change of status, from any thread. A run during which the child says nothing
        for `silence_limit` seconds is lost and the child replaced; None: much longer than what was seen so far."""
        self.name = setup.device
        self._setup = setup
        self._on_change = on_change
        self._silence_limit = silence_limit
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._runs = RunTable()
        # Guarded by the lock:
        self._status = EngineStatus(state=EngineState.STOPPED)
        self._thread: threading.Thread | None = None
        self._child: Child | None = None
        self._tokens: TokenCounter | None = None
        self._ready = wire.Ready(1)
        self._memory: wire.Memory | None = None
        self._seconds: float | None = None
        self._cards = 1

    def start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._stopping.clear()
            self._thread = threading.Thread(target=self._supervise, name="engine-supervisor", daemon=True)
            thread = self._thread
        self._change(EngineStatus(state=EngineState.STARTING))
        thread.start()

    def ask_to_stop(self) -> None:
        """No new runs; the running step ends. First of all: whoever loses a run by this is told of no breakdown."""
        with self._lock:
            self._stopping.set()
            child = self._child
        self._change(EngineStatus(state=EngineState.STOPPED))
        if child is not None:
            child.ask_to_stop()

    def stop(self, timeout: float) -> None:
        """End the child, after `timeout` seconds by force."""
        deadline = time.monotonic() + timeout
        self.ask_to_stop()
        with self._lock:
            child, thread = self._child, self._thread
        if child is not None:
            child.end(timeout)
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(LOST_GRACE, deadline - time.monotonic()))
        with self._lock:
            self._thread = None
        self._change(EngineStatus(state=EngineState.STOPPED))

    def status(self) -> EngineStatus:
        with self._lock:
            return self._status

    def described(self) -> SlotStatus:
        running = len(self._runs.requests())
        with self._lock:
            memory, ready = self._memory, self._ready
            return SlotStatus(
                name=self.name,
                device=self._status.device,
                state=self._status.state,
                profile=ready.profile,
                memory_used=None if memory is None else memory.used,
                memory_total=None if memory is None else memory.total,
                seconds=self._seconds,
                most=ready.most,
                largest_side=ready.largest_side,
                running=running,
            )

    def room(self) -> Room:
        """What is at work here, and what else may be."""
        with self._lock:
            ready = self._ready
        return Room(most=ready.most, largest_side=ready.largest_side, running=self._runs.at_work())

    @property
    def cards(self) -> int:
        """How many cards the child sees; 1 before it has looked."""
        with self._lock:
            return self._cards

    @property
    def child_pid(self) -> int | None:
        """Process id of the child, None while there is none."""
        with self._lock:
            return None if self._child is None else self._child.pid

    def reserve(self, request: EngineRequest) -> tuple[Run, Child]:
        """From now on it counts among what runs here. Raises EngineLostError."""
        with self._lock:
            child = self._child
            if child is None or self._stopping.is_set():
                raise EngineLostError
            return self._runs.begin(request), child

    def run(self, run: Run, child: Child, request: EngineRequest) -> Iterator[EngineEvent]:
        """What was reserved, as the port says, but begun at once; it ends when the iterator is closed."""
        child.send(wire.Run(run.run_id, request))
        return self._events(run, child, request)

    def cancel(self, job_id: str) -> None:
        with self._lock:
            child = self._child
        if child is not None:
            for run_id in self._runs.of_job(job_id):
                child.send(wire.Cancel(run_id))

    def wait_until_idle(self) -> None:
        """Until nothing runs here; whoever calls sees to it that nothing begins."""
        self._runs.wait_until_empty()

    def count_tokens(self, text: str) -> int | None:
        with self._lock:
            tokens = self._tokens
        return None if tokens is None else tokens.count(text)

    def _events(self, run: Run, child: Child, request: EngineRequest) -> Iterator[EngineEvent]:
        try:
            for event in run.events():
                if isinstance(event, PictureMade):
                    work = request.width * request.height / 1e6 * request.denoising_steps
                    with self._lock:
                        self._seconds = event.seconds / work
                yield event
        finally:
            # Nobody reads on, so the child need not go on. After an orderly end the table knows the run no more.
            if self._runs.forget(run):
                child.send(wire.Cancel(run.run_id))

    def _change(self, status: EngineStatus) -> None:
        with self._lock:
            ending = self._stopping.is_set() and status.state is not EngineState.STOPPED
            if status == self._status or ending:
                return
            self._status = status
        self._on_change()

    def _supervise(self) -> None:
        """Keep a child alive until `stop`, or until a failure that only a person can mend."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            self._change(replace(self.status(), state=EngineState.STARTING, progress=None))
            failure, was_ready = self._live()
            if self._stopping.is_set():
                break
            log.error("The engine on %s failed: %s %s", self.name, failure.reason, dict(failure.params))
            # A child that has served is back in a moment: clicks are accepted and wait for it.
            state = EngineState.STARTING if was_ready and failure.retry else EngineState.FAILED
            now = replace(self.status(), state=state, progress=None)
            self._change(replace(now, reason=failure.reason, params=failure.params))
            # Only now: whoever lost a run and asks for the status must not read `ready`.
            self._runs.lose_all()
            pause = FIRST_PAUSE if was_ready else pause
            self._stopping.wait(pause if failure.retry else None)
            pause = min(2 * pause, LONGEST_PAUSE)
        self._change(EngineStatus(state=EngineState.STOPPED))
        self._runs.lose_all()

    def _live(self) -> tuple[wire.LoadFailed, bool]:
        """The life of one child: why it ended, and whether it was ever ready."""
        try:
            child = Child(self._setup)
        except OSError as error:
            return wire.LoadFailed("engine.child-lost", {"code": error.errno or 0}, retry=True), False
        with self._lock:
            self._child = child
            grace = 0.0 if self._stopping.is_set() else LOST_GRACE
        failure, was_ready = None, False
        try:
            if grace:
                failure, was_ready = self._listen(child)
        except Exception as error:
            name = type(error).__name__
            log.error("The engine child said something strange: %s", name, exc_info=where(error))
        with self._lock:
            self._child = None
            # In one go with the line above: nobody may find the engine ready and no child to run in.
            if self._status.state is EngineState.READY:
                self._status = replace(self._status, state=EngineState.STARTING)
        code = child.end(grace)
        child.close()
        return failure or wire.LoadFailed("engine.child-lost", {"code": code}, retry=True), was_ready

    def _listen(self, child: Child) -> tuple[wire.LoadFailed | None, bool]:
        """Take in all that the child says until it is gone or hangs."""
        failure: wire.LoadFailed | None = None
        was_ready = False
        heard = time.monotonic()
        while True:
            try:
                message = child.receive(POLL)
            except EOFError:
                return failure, was_ready
            if message is None:
                if (limit := self._exceeded(heard)) is not None:
                    return wire.LoadFailed("engine.hung", {"seconds": round(limit)}, retry=True), was_ready
                continue
            heard = time.monotonic()
            match message:
                case wire.Happened():
                    self._runs.happened(message)
                case wire.RunDone() | wire.RunCancelled() | wire.RunFailed():
                    self._runs.ended(message)
                case wire.LoadFailed():
                    failure = message  # the child ends now
                case wire.Memory():
                    with self._lock:
                        self._memory = message
                case _:
                    was_ready = was_ready or isinstance(message, wire.Ready)
                    self._follow(message)

    def _exceeded(self, heard: float) -> float | None:
        """The limit of silence in seconds, if a run is in flight and the child was last `heard` longer ago."""
        status = self.status()
        unmeasured = CUDA_SILENCE if status.device.startswith("cuda") else CPU_SILENCE
        limit = self._silence_limit or self._runs.patience() or unmeasured
        begun = self._runs.last_begun()
        if begun is None or status.state is not EngineState.READY:
            return None
        return limit if time.monotonic() - max(heard, begun) > limit else None

    def _follow(self, message: wire.Chosen | wire.Downloading | wire.Loading | wire.Warming | wire.Ready) -> None:
        """The way from a bare process to a loaded model, as status."""
        status = self.status()
        match message:
            case wire.Chosen(model=model, device=device, demo=demo, cards=cards):
                log.info("Model %s on %s", model, device)
                with self._lock:
                    self._cards = cards
                self._change(replace(status, model=model, device=device, demo=demo, facts={}))
            case wire.Downloading(fraction=fraction):
                percent = int(100 * (fraction or 0.0))
                if percent // TOLD_EVERY != int(100 * (status.progress or 0.0)) // TOLD_EVERY:
                    log.info("Downloading the model: %d %%", percent)
                self._change(replace(status, state=EngineState.DOWNLOADING, progress=fraction))
            case wire.Loading(folder=folder):
                log.info("Loading the model")
                self._change(replace(status, state=EngineState.LOADING, progress=None))
                tokens = counter_of(folder)
                with self._lock:
                    self._tokens = tokens or self._tokens
            case wire.Warming(fraction=fraction, facts=facts):
                self._change(replace(status, state=EngineState.WARMING, progress=fraction, facts=facts))
            case wire.Ready(facts=facts, notice=notice, params=params):
                with self._lock:
                    self._ready = message
                if status.state is not EngineState.READY:
                    log.info("The model is ready")
                ready = replace(status, state=EngineState.READY, progress=None, reason="", params={}, facts=facts)
                self._change(replace(ready, notice=notice, notice_params=params))
