"""An engine without a model: the same port, tiny work, and handles for everything that can go wrong."""

import contextlib
import hashlib
import io
import random
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from PIL import Image

from app.domain.generation import MAX_PROMPT_TOKENS, MAX_SIDE, engine_text
from app.domain.ports import (
    EngineCancelledError,
    EngineEvent,
    EngineLostError,
    EngineRequest,
    EngineRunError,
    EngineState,
    EngineStatus,
    PictureMade,
    PictureOrder,
    PreviewMade,
    SlotStatus,
    StepDone,
)
from app.engine import placing
from app.storage.thumbnails import thumbnail

FACTS = {"model": "fake", "revision": "0", "dtype": "none", "device": "fake", "torch": "0", "diffusers": "0"}
# One word, or one character of any other kind.
TOKEN = re.compile(r"[A-Za-z0-9]+|[^\sA-Za-z0-9]")


class FakeEngine:
    """Obeys the same contract test as LocalEngine. The same request and seed give the same bytes.

    `step_delay` seconds pass in each step; with `ready=False` it stays loading until `become_ready`.
    `die`, `fail_next`, `hang`, `note` and `break_down` make trouble; `hold` and `let` end steps one by one. `requests`
    lists what was asked for. Runs wait for each other unless `most` pictures may share a step, or
    there are several `slots`. With `previews`, each
    step but the last of a picture shows one. `loads` lists what was to be loaded, "" for unload; a model comes at once,
    or with `comes_slowly` when `arrive` says so, and fails with `load_fails` as its reason.
    """

    def __init__(
        self, on_change: Callable[[], None] | None = None, *, step_delay: float = 0.0, ready: bool = True
    ) -> None:
        self.step_delay = step_delay
        self.previews = False
        self.most = self.slots = 1
        self.facts = FACTS
        self.requests: list[EngineRequest] = []
        self.loads: list[str] = []
        self.comes_slowly = False
        self.load_fails = ""
        self._on_change = on_change
        self._ready = ready
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        # Guarded by the condition:
        self._status = EngineStatus(state=EngineState.STOPPED)
        self._life = 0
        self._running: set[str] = set()
        self._cancelled: set[str] = set()
        self._failure = ""
        self._hanging = False
        self._steps_let: int | None = None

    # The port

    def start(self) -> None:
        if self.status().state is EngineState.STOPPED:
            self._become(EngineState.READY if self._ready else EngineState.LOADING)

    def stop(self, timeout: float) -> None:  # noqa: ARG002 - a fake needs no time
        with self._changed:
            self._life += 1
        self._become(EngineState.STOPPED)

    def load(self, model: str) -> None:
        self.loads.append(model)
        with self._changed:
            self._status = replace(
                self._status, coming=model, coming_state=EngineState.LOADING, progress=0.25, reason="", params={}
            )
        if self._on_change is not None:
            self._on_change()
        if not self.comes_slowly:
            self.arrive()

    def unload(self) -> None:
        self.loads.append("")
        self._become(EngineState.UNLOADED)

    def status(self) -> EngineStatus:
        with self._changed:
            return self._status

    def run(self, request: EngineRequest) -> Iterator[EngineEvent]:
        with self._changed:
            life = self._life
            if self._status.state not in {EngineState.READY, EngineState.LOADING}:
                raise EngineLostError
            self._running.add(request.job_id)
        self.requests.append(request)
        try:
            with contextlib.nullcontext() if self.most > 1 or self.slots > 1 else self._turn:
                yield from self._pictures(request, life)
        finally:
            with self._changed:
                self._running.discard(request.job_id)
                self._cancelled.discard(request.job_id)

    def has_room(self, running: Sequence[EngineRequest], request: EngineRequest) -> bool:
        rooms = placing.with_all([placing.Room(most=self.most, largest_side=MAX_SIDE)] * self.slots, running)
        return placing.place(rooms, request) is not None

    def cancel(self, job_id: str) -> None:
        with self._changed:
            if job_id in self._running:
                self._cancelled.add(job_id)
            self._changed.notify_all()

    def count_tokens(self, text: str) -> int | None:
        return len(TOKEN.findall(_clean(text)))

    # The handles

    def become_ready(self) -> None:
        """Loading ends well, also after `break_down`."""
        self._become(EngineState.READY)

    def become(self, state: EngineState) -> None:
        """Whatever an engine may be between its start and its end."""
        self._become(state)

    def arrive(self) -> None:
        """What is coming is there, or has failed; what served before stays then."""
        with self._changed:
            status = self._status
        if not self.load_fails:
            self._become(EngineState.READY, model=status.coming)
            return
        state = status.state if status.state is EngineState.READY else EngineState.FAILED
        self._become(state, self.load_fails, model=status.model, folder="models/fake", detail="broken by a test")

    def show(self, slots: tuple[SlotStatus, ...]) -> None:
        """As if there were these children."""
        with self._changed:
            self._status = replace(self._status, slots=slots)

    def die(self) -> None:
        """As kill -9 of the child: running runs are lost, and a new child is ready at once."""
        with self._changed:
            self._life += 1
            self._hanging = False
        self._become(EngineState.FAILED, "engine.child-lost", code=-9)
        self._become(EngineState.READY)

    def fail_next(self, code: str) -> None:
        """The next step raises EngineRunError with this code."""
        with self._changed:
            self._failure = code

    def hang(self) -> None:
        """From now on no step ends, until `die`, `stop` or a cancel."""
        with self._changed:
            self._hanging = True

    def hold(self) -> None:
        """From now on a step ends when `let` allows it."""
        with self._changed:
            self._steps_let = 0

    def let(self, steps: int | None) -> None:
        """So many more steps end; None: all, as before `hold`."""
        with self._changed:
            self._steps_let = None if steps is None else (self._steps_let or 0) + steps
            self._changed.notify_all()

    def break_down(self, reason: str = "engine.broken-model") -> None:
        """Failed for good; running runs are lost."""
        with self._changed:
            self._life += 1
        self._become(EngineState.FAILED, reason, folder="models/fake", detail="broken by a test")

    def note(self, notice: str = "", **params: str | int) -> None:
        """It serves, but not as it was meant to; without a notice it does."""
        with self._changed:
            self._status = replace(self._status, notice=notice, notice_params=params)

    # Within

    def _become(self, state: EngineState, reason: str = "", model: str = "fake", **params: str | int) -> None:
        facts = self.facts if state in {EngineState.WARMING, EngineState.READY} else {}
        with self._changed:
            self._status = EngineStatus(
                state=state, model=model, device="fake", demo=True, reason=reason, params=params, facts=facts
            )
            self._changed.notify_all()
        if self._on_change is not None:
            self._on_change()

    def _pictures(self, request: EngineRequest, life: int) -> Iterator[EngineEvent]:
        self._wait(request, life, until=lambda: self._status.state is EngineState.READY)
        for text in (request.prompt, request.negative_prompt if request.guidance_scale > 0 else ""):
            if (self.count_tokens(text) or 0) > MAX_PROMPT_TOKENS:
                raise EngineRunError("prompt-too-long")
        for order in request.pictures:
            for step in range(1, request.denoising_steps + 1):
                self._wait(request, life, until=lambda: not self._hanging)
                with self._changed:
                    self._changed.wait_for(lambda: self._ended(request, life), self.step_delay)
                self._wait(request, life, until=self._is_let)
                yield StepDone(index=order.index, step=step)
                if self.previews and step < request.denoising_steps:
                    yield PreviewMade(index=order.index, step=step, webp=_preview(request, order))
            png = _picture(request, order)
            yield PictureMade(
                index=order.index,
                seed=order.seed,
                png=png,
                thumbnail=thumbnail(png),
                seconds=self.step_delay,
                facts=self.facts,
            )

    def _is_let(self) -> bool:
        if self._steps_let is None:
            return True
        if self._steps_let > 0:
            self._steps_let -= 1
            return True
        return False

    def _ended(self, request: EngineRequest, life: int) -> bool:
        return self._life != life or request.job_id in self._cancelled

    def _wait(self, request: EngineRequest, life: int, until: Callable[[], bool]) -> None:
        """Until the condition holds; raises what has happened to the run meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended(request, life) or until())
            if self._life != life:
                raise EngineLostError
            if request.job_id in self._cancelled:
                raise EngineCancelledError
            code, self._failure = self._failure, ""
        if code:
            raise EngineRunError(code)


def _clean(text: str) -> str:
    return engine_text(text.encode("utf-8", "ignore").decode("utf-8"))


def _preview(request: EngineRequest, order: PictureOrder) -> bytes:
    file = io.BytesIO()
    with Image.open(io.BytesIO(_picture(request, order))) as whole:
        whole.resize((64, 64)).save(file, "WEBP")
    return file.getvalue()


def _picture(request: EngineRequest, order: PictureOrder) -> bytes:
    """64 coloured fields that everything in the request decides."""
    negative = _clean(request.negative_prompt) if request.guidance_scale > 0 else ""
    begun = (request.image, request.mask, request.strength, request.loras) if request.image or request.loras else ()
    recipe = repr((_clean(request.prompt), negative, request.guidance_scale, request.steps, order.seed, *begun))
    chance = random.Random(hashlib.sha256(recipe.encode()).digest())  # noqa: S311 - colours
    file = io.BytesIO()
    small = Image.frombytes("RGB", (8, 8), chance.randbytes(8 * 8 * 3))
    small.resize((request.width, request.height), Image.Resampling.NEAREST).save(file, "PNG", compress_level=1)
    return file.getvalue()
