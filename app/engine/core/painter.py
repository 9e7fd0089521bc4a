"""The one thread that owns the model: takes runs in, moves all pictures at work one step, hands finished ones on."""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from app.domain.ports import LACKS_OF_MEMORY, OUT_OF_MEMORY, PictureMade, PreviewMade, StepDone
from app.domain.results import TILED
from app.engine import wire
from app.engine.core import batching, denoising, editing, memory
from app.engine.core.adapters import Adapters
from app.engine.core.batching import Shape
from app.engine.core.captions import CaptionEncoder, padded_length
from app.engine.core.darkroom import Darkroom
from app.engine.core.decoding import Developed, Previewer, png, thumbnail, webp
from app.engine.core.easel import Piece, Run
from app.engine.core.hostcopy import HostCopy, Lead
from app.engine.core.levers import Tuned, plain
from app.engine.core.run_errors import code_of
from app.engine.core.thrift import Thrift
from app.engine.core.untyped import ZImagePipeline
from app.engine.loras import LoraFolder

log = logging.getLogger(__name__)

# Threads that compress files while the next picture is being made.
ENCODERS: Final = 2


class Painter:
    """Not thread-safe: one thread calls everything. `facts` go with every picture; `say` reaches the parent.
    `when_lost` is called in a thread of the pool that finds the device lost.

    `most` is how many pictures may share a step, whatever their size; without `tuned` the pipeline is as it was loaded.
    """

    def __init__(
        self,
        pipeline: ZImagePipeline,
        facts: Mapping[str, str],
        say: Callable[[wire.FromChild], None],
        *,
        most: int,
        loras: LoraFolder,
        tuned: Tuned | None = None,
    ) -> None:
        self.tuned = tuned = tuned or plain(pipeline)
        self._transformer, self._scheduler = pipeline.transformer, pipeline.scheduler
        self._stage = tuned.stage
        self._facts = {**facts, **tuned.facts()}
        self._say = say
        self.when_lost: Callable[[BaseException], object] = log.error
        self.thrift = Thrift(tuned, (pipeline.text_encoder, pipeline.transformer), most, self._facts, say)
        self._darkroom = Darkroom(pipeline.vae, tuned.profile.tiled_above)
        self.waiting: list[Piece] = []
        self._present: list[Piece] = []
        self._lead = Lead()
        self._advance = denoising.advance
        self._adapters = Adapters(pipeline, loras)
        self._pool = ThreadPoolExecutor(ENCODERS, thread_name_prefix="encoder")
        with torch.inference_mode():
            self._captions = CaptionEncoder(pipeline.tokenizer, pipeline.text_encoder, stage=self._stage)
            self._previewer = Previewer(pipeline.vae)

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self._present

    def take_in(self, order: wire.Run) -> None:
        """The pictures of that run wait their turn. A run that cannot be made is told so at once."""
        run = Run(order, self._say)
        if not order.request.pictures:
            run.end(wire.RunDone(run.run_id))
        code = self._admit(run)
        if code == OUT_OF_MEMORY:
            memory.free()
            self.thrift.spare()
            code = self._admit(run)
        if code is not None:
            _give_up([run], code)

    @torch.inference_mode()
    def advance(self, is_cancelled: Callable[[int], bool]) -> None:
        """One step of all that are at work, after whoever fits has joined and whoever was cancelled has left.

        Raises torch.AcceleratorError when the device is lost, after which only a new process helps.
        """
        self._drop_cancelled(is_cancelled)
        joining = batching.choose(self.waiting, self._present, lambda piece: piece.shape, self.thrift.most)
        self.waiting = [piece for piece in self.waiting if piece not in joining]
        self._present += joining
        if (code := self._step()) is not None:
            # Only here the traceback, and with it every tensor of the failed step, is gone.
            self._after_failure(code)
            return
        self._drop_cancelled(is_cancelled)
        together = len(self._present)
        for piece in list(self._present):
            self._tell_step(piece, together)

    def _admit(self, run: Run) -> str | None:
        """The error code if that failed."""
        try:
            with torch.inference_mode():
                self.waiting += self._pieces(run)
        except Exception as error:  # noqa: BLE001 - the child lives on, whatever a request does
            return code_of(error)
        return None

    def _pieces(self, run: Run) -> list[Piece]:
        request = run.request
        wanted = self._captions.features(request.prompt)
        unwanted = self._captions.features(request.negative_prompt) if request.guidance_scale > 0 else None
        shape = Shape(
            width=request.width,
            height=request.height,
            caption=padded_length(wanted),
            guided=0 if unwanted is None else padded_length(unwanted),
            adapters=self._adapters.find(request.loras),
        )
        # In the pool: decoding a large file must not hold up those that are at work.
        original = None if request.image is None else self._pool.submit(editing.read, request)
        return [
            Piece(
                run=run,
                order=order,
                shape=replace(shape, alone=f"{run.run_id}-{order.index}") if request.exact else shape,
                wanted=wanted,
                unwanted=unwanted,
                original=original,
            )
            for order in request.pictures
        ]

    def _step(self) -> str | None:
        """The error code if it failed."""
        try:
            for piece in self._present:
                if piece.sketch is None:
                    self._begin(piece)
            if self._present:
                self._stage.bring(self._transformer)
                self._adapters.use(self._present[0].shape.adapters)
                self._advance(self._transformer, [_sketch(piece) for piece in self._present])
                self._lead.keep(self._stage.device)
        except Exception as error:  # noqa: BLE001 - as above
            return code_of(error)
        return None

    def _begin(self, piece: Piece) -> None:
        request = piece.run.request
        piece.begun = piece.previewed = time.monotonic()
        sigmas, times = denoising.schedule(self._scheduler, request.steps)
        skipped = request.steps - request.denoising_steps
        latents, kept = self._first_latents(piece, sigmas[skipped])
        piece.sketch = denoising.Sketch(
            latents=latents,
            kept=kept,
            sigmas=sigmas[skipped:],
            times=times[skipped:],
            wanted=piece.wanted.to(self._stage.device, self._transformer.dtype),
            unwanted=None if piece.unwanted is None else piece.unwanted.to(self._stage.device),
            guidance=request.guidance_scale,
        )

    def _first_latents(self, piece: Piece, sigma: Tensor) -> tuple[Tensor, denoising.Kept | None]:
        """Noise, or the run's original under noise; and what a mask keeps of it."""
        request, device, seed = piece.run.request, self._stage.device, piece.order.seed
        if piece.original is None:
            noise = denoising.noise(self._transformer.in_channels, request.height, request.width, seed)
            return noise.to(device), None
        return piece.original.result().begin(self._darkroom, sigma, seed, device, self._transformer.dtype)

    def _tell_step(self, piece: Piece, together: int) -> None:
        sketch, index = _sketch(piece), piece.order.index
        piece.run.tell(StepDone(index=index, step=sketch.step, shared=together))
        if sketch.is_done:
            self._present.remove(piece)
            self._finish(piece, sketch.latents)
        elif sketch.clean is not None and piece.preview_is_due():
            self._preview(piece, sketch.step, sketch.clean)

    def _preview(self, piece: Piece, step: int, clean: Tensor) -> None:
        """A picture goes on without one."""
        try:
            small = self._previewer.small(clean)
        except Exception as error:
            if not memory.is_exhausted(error):
                raise
        else:
            self._in_pool(_deliver_preview, piece, step, small)

    def _in_pool(self, work: Callable[..., None], *what: object) -> None:
        """What the device does last shows its errors there, and only a new process helps then."""

        def look(done: Future[None]) -> None:
            if isinstance(error := done.exception(), torch.AcceleratorError):
                self.when_lost(error)

        self._pool.submit(work, *what).add_done_callback(look)

    def _finish(self, piece: Piece, latents: Tensor) -> None:
        """Decode here, compress elsewhere: the next step must not wait for zlib."""
        code = self._develop(piece, latents)
        if code == OUT_OF_MEMORY:
            memory.free()
            if self.thrift.spare():
                code = self._develop(piece, latents)
        if code is not None:
            self._refuse(piece, code)
            memory.free()

    def _develop(self, piece: Piece, latents: Tensor) -> str | None:
        """The error code if that failed."""
        try:
            developed = self._darkroom.develop(latents)
        except Exception as error:  # noqa: BLE001 - as above
            return code_of(error)
        self._in_pool(self._deliver, piece, developed, self._adapters.facts(piece.shape.adapters))
        return None

    def _deliver(self, piece: Piece, developed: Developed, more: Mapping[str, str]) -> None:
        """In a thread of the pool; `more` facts than those of the model."""
        order, run = piece.order, piece.run
        try:
            image = developed.image()
            content, small = png(image), thumbnail(image)
        except Exception as error:  # noqa: BLE001 - as above
            _give_up([run], code_of(error))
            return
        seconds = time.monotonic() - piece.begun
        facts = {**self._facts, **more} | ({TILED: "in tiles"} if developed.tiled else {})
        run.tell(
            PictureMade(index=order.index, seed=order.seed, png=content, thumbnail=small, seconds=seconds, facts=facts)
        )
        run.delivered()

    def _drop_cancelled(self, is_cancelled: Callable[[int], bool]) -> None:
        for piece in [*self._present, *self.waiting]:
            if is_cancelled(piece.run.run_id):
                piece.run.end(wire.RunCancelled(piece.run.run_id))
        self._present = [piece for piece in self._present if not piece.run.has_ended]
        self.waiting = [piece for piece in self.waiting if not piece.run.has_ended]

    def _after_failure(self, code: str) -> None:
        """One of several may be the cause: each goes on alone from where it stood, before anybody is given up."""
        company, self._present = self._present, []
        memory.free()
        if len(company) == 1:
            self._after_failure_alone(company[0], code)
            return
        log.warning("A step of %d pictures failed: each goes on alone", len(company))
        if code == OUT_OF_MEMORY:
            self.thrift.share_less(len(company))
        for piece in company:
            piece.shape = replace(piece.shape, alone=piece.name)
        self.waiting = company + self.waiting

    def _after_failure_alone(self, piece: Piece, code: str) -> None:
        """With too little memory: once more with all that can be freed, once more with less on the device."""
        if code in LACKS_OF_MEMORY:
            piece.lacks += 1
            if piece.lacks == 1 or self.thrift.spare():
                piece.shape = replace(piece.shape, alone=piece.name)
                self.waiting.insert(0, piece)
                return
        self._refuse(piece, code)

    def _refuse(self, piece: Piece, code: str) -> None:
        if code == OUT_OF_MEMORY:
            self.thrift.note_too_large(piece.shape.width, piece.shape.height)
        _give_up([piece.run], code)


def _deliver_preview(piece: Piece, step: int, small: HostCopy) -> None:
    """In a thread of the pool."""
    with contextlib.suppress(OSError, ValueError):
        piece.run.tell(PreviewMade(index=piece.order.index, step=step, webp=webp(small.ready())))


def _give_up(runs: Sequence[Run], code: str) -> None:
    for run in runs:
        run.end(wire.RunFailed(run.run_id, code))


def _sketch(piece: Piece) -> denoising.Sketch:
    if piece.sketch is None:
        raise RuntimeError("a picture at work has begun")
    return piece.sketch
