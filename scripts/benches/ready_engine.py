"""An engine whose pixels are ready: what the child does with them afterwards is its own work, and is measured."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from typing import Final

import torch

from app.domain.ports import EngineEvent, EngineRequest, PictureMade, StepDone
from app.engine import wire
from app.engine.core.decoding import Developed, png, thumbnail
from app.engine.core.hostcopy import HostCopy
from scripts.benches.instant import FACTS, InstantEngine
from scripts.benches.photos import photo_like
from scripts.benches.spans import Spans

STEP_SECONDS: Final = 0.05


class ReadyEngine(InstantEngine):
    """Encodes a photo-like picture, and sends it through a pipe as the child does, all in this process.

    Its steps take the time of a fast GPU and nothing of the processor, and do not count: what is told of them is told
    while the pipeline works.
    """

    def __init__(self, side: int, spans: Spans) -> None:
        super().__init__()
        self._photo, self._spans = photo_like(side), spans
        self._pause = threading.Event()
        self._child, self._parent = Pipe()
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="child")
        self.png_bytes = len(png(self._developed().image()))

    def run(self, request: EngineRequest) -> Iterator[EngineEvent]:
        for order in request.pictures:
            self._spans.halt()
            for step in range(1, request.steps):
                self._pause.wait(STEP_SECONDS)
                yield StepDone(index=order.index, step=step)
            self._pause.wait(STEP_SECONDS)
            self._spans.go_on()
            yield StepDone(index=order.index, step=request.steps)
            with self._spans.span("png"):
                image = self._developed().image()
                content = png(image)
            with self._spans.span("thumbnail"):
                small = thumbnail(image)
            made = PictureMade(
                index=order.index, seed=order.seed, png=content, thumbnail=small, seconds=0.001, facts=FACTS
            )
            yield self._through_the_pipe(made)

    def _through_the_pipe(self, event: PictureMade) -> EngineEvent:
        with self._spans.span("pipe"):
            sent = self._sender.submit(self._child.send, wire.Happened(1, event))
            received: wire.Happened = self._parent.recv()
            sent.result()
        return received.event

    def _developed(self) -> Developed:
        return Developed(HostCopy(self._photo), HostCopy(torch.tensor(data=True)))
