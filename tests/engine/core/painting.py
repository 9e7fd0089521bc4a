"""A painter in this process, its model, and what it says."""

import io
import itertools
from collections.abc import Container
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from PIL import Image

from app.domain.ports import EngineRequest, EngineRunError, PictureMade
from app.engine import wire
from app.engine.core.devices import pick_device
from app.engine.core.facts import facts_of
from app.engine.core.levers import Tuned
from app.engine.core.models import DEMO
from app.engine.core.painter import Painter
from app.engine.core.untyped import ZImagePipeline
from app.engine.loras import LoraFolder


class Easel:
    """A painter without a process around it: what it says, and runs made to their end."""

    def __init__(
        self, pipeline: ZImagePipeline, *, most: int = 1, models: Path = DEMO.parent, tuned: Tuned | None = None
    ) -> None:
        facts = facts_of("demo", Path(pipeline.name_or_path), pick_device("cpu"))
        self.said: SimpleQueue[wire.FromChild] = SimpleQueue()
        self.painter = Painter(pipeline, facts, self.said.put, most=most, loras=LoraFolder(models), tuned=tuned)
        self._ids = itertools.count(1)

    def order(self, request: EngineRequest) -> int:
        run_id = next(self._ids)
        self.painter.take_in(wire.Run(run_id, request))
        return run_id

    def finish(self, count: int, cancelled: Container[int] = ()) -> list[wire.FromChild]:
        """All that is said until so many runs have ended."""
        said: list[wire.FromChild] = []
        while count:
            if not self.painter.is_idle:
                self.painter.advance(lambda run_id: run_id in cancelled)
            while count and (self.painter.is_idle or not self.said.empty()):
                said.append(self.said.get(timeout=20))
                count -= isinstance(said[-1], wire.RunDone | wire.RunCancelled | wire.RunFailed)
        return said

    def make(self, request: EngineRequest) -> bytes:
        """The first picture of the request alone. Raises EngineRunError."""
        self.order(request)
        said = self.finish(1)
        if isinstance(said[-1], wire.RunFailed):
            raise EngineRunError(said[-1].code)
        return pictures_of(said)[0].png


def pictures_of(said: list[wire.FromChild]) -> list[PictureMade]:
    events = [message.event for message in said if isinstance(message, wire.Happened)]
    return [event for event in events if isinstance(event, PictureMade)]


def octets_of(png: bytes) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)
