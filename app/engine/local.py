"""The engine of one machine: a child process that is watched, restarted and spoken to; torch stays out of here."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from app.domain.ports import EngineEvent, EngineLostError, EngineRequest, EngineState, EngineStatus
from app.engine import wire
from app.engine.child import Child
from app.engine.core import batching, profiles
from app.engine.prompts import TokenCounter
from app.engine.runs import Run, RunTable
from app.logs import form, where

log = logging.getLogger(__name__)

DEVICE: Final = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")
SOURCES: Final = ("huggingface", "modelscope")
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
LOST_GRACE: Final = 1.0
POLL: Final = 1.0
TOLD_EVERY: Final = 5  # percent of a download
# Before anything was measured: a step of the real model, compiled for the first time, or on a slow CPU.
CUDA_SILENCE: Final = 600.0
CPU_SILENCE: Final = 3600.0


class LocalEngine:
    """`ports.Engine` on this machine. Runs that overlap share steps where they fit, else they wait for each other."""

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

        `on_change` is called after each change of status, from any thread. A run during which the child says nothing
        for `silence_limit` seconds is lost and the child replaced; None: much longer than what was seen so far.
        Raises ValueError for an unknown source, device or profile.
        """
        if source not in SOURCES or not DEVICE.fullmatch(device) or profile not in profiles.NAMES:
            raise ValueError(f"unknown model source, device or profile: {source!r}, {device!r}, {profile!r}")
        self._setup = wire.Setup(
            model=model,
            source=source,
            hub_endpoint=hub_endpoint,
            device=device,
            models_dir=models_dir.absolute(),
            profile=profile,
            log_level=log.getEffectiveLevel(),
            log_format=form(),
        )
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
        self._most = 1

    def start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._stopping.clear()
            self._thread = threading.Thread(target=self._supervise, name="engine-supervisor", daemon=True)
            thread = self._thread
        self._change(EngineStatus(state=EngineState.STARTING))
        thread.start()

    def stop(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        with self._lock:
            self._stopping.set()
            child, thread = self._child, self._thread
        # First of all: whoever loses a run by this asks for the status, and it is no breakdown.
        self._change(EngineStatus(state=EngineState.STOPPED))
        if child is not None:
            child.ask_to_stop()
            child.end(timeout)
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(LOST_GRACE, deadline - time.monotonic()))
        with self._lock:
            self._thread = None
        self._change(EngineStatus(state=EngineState.STOPPED))

    def status(self) -> EngineStatus:
        with self._lock:
            return self._status

    @property
    def child_pid(self) -> int | None:
        """Process id of the child, None while there is none."""
        with self._lock:
            return None if self._child is None else self._child.pid

    def run(self, request: EngineRequest) -> Iterator[EngineEvent]:
        """As the port says; the run begins with the first `next`, and ends when the iterator is closed."""
        run, child = self._begin(request)
        try:
            yield from run.events()
        finally:
            # Nobody reads on, so the child need not go on. After an orderly end the table knows the run no more.
            if self._runs.forget(run):
                child.send(wire.Cancel(run.run_id))

    def has_room(self, running: Sequence[EngineRequest], request: EngineRequest) -> bool:
        with self._lock:
            return batching.has_room(running, request, self._most)

    def cancel(self, job_id: str) -> None:
        with self._lock:
            child = self._child
        if child is not None:
            for run_id in self._runs.of_job(job_id):
                child.send(wire.Cancel(run_id))

    def count_tokens(self, text: str) -> int | None:
        with self._lock:
            tokens = self._tokens
        return None if tokens is None else tokens.count(text)

    def _begin(self, request: EngineRequest) -> tuple[Run, Child]:
        with self._lock:
            child = self._child
            if child is None or self._stopping.is_set():
                raise EngineLostError
            run = self._runs.begin(request.job_id, request.width * request.height)
        child.send(wire.Run(run.run_id, request))
        return run, child

    def _change(self, status: EngineStatus) -> None:
        with self._lock:
            ending = self._stopping.is_set() and status.state is not EngineState.STOPPED
            if status == self._status or ending:
                return
            self._status = status
        if self._on_change is not None:
            try:
                self._on_change()
            except Exception as error:
                name = type(error).__name__
                log.error("The listener for engine changes failed: %s", name, exc_info=where(error))

    def _supervise(self) -> None:
        """Keep a child alive until `stop`, or until a failure that only a person can mend."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            self._change(replace(self.status(), state=EngineState.STARTING, progress=None))
            failure, was_ready = self._live()
            if self._stopping.is_set():
                break
            log.error("The engine failed: %s %s", failure.reason, dict(failure.params))
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
            case wire.Chosen(model=model, device=device, demo=demo):
                log.info("Model %s on %s", model, device)
                self._change(replace(status, model=model, device=device, demo=demo, facts={}))
            case wire.Downloading(fraction=fraction):
                percent = int(100 * (fraction or 0.0))
                if percent // TOLD_EVERY != int(100 * (status.progress or 0.0)) // TOLD_EVERY:
                    log.info("Downloading the model: %d %%", percent)
                self._change(replace(status, state=EngineState.DOWNLOADING, progress=fraction))
            case wire.Loading(folder=folder):
                log.info("Loading the model")
                self._change(replace(status, state=EngineState.LOADING, progress=None))
                self._learn_tokens(folder)
            case wire.Warming(fraction=fraction):
                self._change(replace(status, state=EngineState.WARMING, progress=fraction))
            case wire.Ready(most=most, facts=facts, notice=notice, params=params):
                with self._lock:
                    self._most = most
                if status.state is not EngineState.READY:
                    log.info("The model is ready")
                ready = replace(status, state=EngineState.READY, progress=None, reason="", params={}, facts=facts)
                self._change(replace(ready, notice=notice, notice_params=params))

    def _learn_tokens(self, folder: Path) -> None:
        try:
            tokens = TokenCounter(folder)
        except (OSError, ValueError):
            log.warning("No tokenizer in %s: prompts are counted by the engine child alone", folder.name)
            return
        with self._lock:
            self._tokens = tokens
