"""The engine as it works in production, in this process: the child's painter, and the parent's part around it."""

import itertools
import secrets
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from app.domain.ports import EngineRequest, PictureMade, PictureRecipe, StepDone, StoredPicture
from app.engine import wire
from app.engine.core import batching, profiles
from app.engine.core.devices import Device, describe
from app.engine.core.levers import tune
from app.engine.core.models import DEMO
from app.engine.core.painter import Painter
from app.engine.core.profiles import Weights
from app.engine.core.untyped import ZImagePipeline
from app.engine.loras import LoraFolder
from app.storage.vault import FileVault

WRITERS: Final = 3  # as many jobs as may be unsettled
MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)


class OwnEngine:
    """With the levers of the profile that the device gets. Files are written by the vault below `folder`."""

    def __init__(self, pipeline: ZImagePipeline, folder: Path, device: Device, weights: Weights) -> None:
        self._said: SimpleQueue[wire.FromChild] = SimpleQueue()
        profile, _ = profiles.choose(profiles.AUTO, describe(device), weights)
        tuned = tune(pipeline, device.name, profile)
        loras = LoraFolder(DEMO.parent)
        self._painter = Painter(
            pipeline, {"model": "bench"}, self._said.put, most=profile.most, loras=loras, tuned=tuned
        )
        self._vault = FileVault(folder / "outputs", folder / "thumbnails", folder / "strays")
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="job")
        self._ids = itertools.count(1)
        self._line: deque[EngineRequest] = deque()
        # By run id: who is at the engine, and who is not on disk yet.
        self._at_engine: dict[int, EngineRequest] = {}
        self._unsettled: dict[int, EngineRequest] = {}
        self._files: list[Future[StoredPicture]] = []

    def make(self, requests: Sequence[EngineRequest]) -> list[StoredPicture]:
        """What waits in line, claimed as the dispatcher claims it; returns when every file is on the disk."""
        self._line.extend(requests)
        while self._line or self._unsettled:
            self._claim()
            if not self._painter.is_idle:
                self._painter.advance(lambda _: False)
            while not self._said.empty() or (self._unsettled and not self._line and self._painter.is_idle):
                self._hear(self._said.get())
        files, self._files = self._files, []
        return [file.result() for file in files]

    def _claim(self) -> None:
        """The next at once if it may share steps, else when the engine is done with those before."""
        running, most = self._at_engine, self._painter.thrift.most
        while self._line and (not running or batching.has_room([*running.values()], self._line[0], most)):
            run_id, request = next(self._ids), self._line.popleft()
            self._at_engine[run_id] = self._unsettled[run_id] = request
            self._painter.take_in(wire.Run(run_id, request))

    def _hear(self, message: wire.FromChild) -> None:
        match message:
            case wire.Happened(run_id=run_id, event=StepDone(step=step)) if step == self._unsettled[run_id].steps:
                del self._at_engine[run_id]
            case wire.Happened(run_id=run_id, event=PictureMade() as made):
                self._files.append(self._writers.submit(self._keep, self._unsettled[run_id], made))
            case wire.RunDone(run_id=run_id):
                del self._unsettled[run_id]
            case wire.RunFailed(code=code):
                raise SystemExit(f"the engine failed: {code}")
            case _:
                pass

    def _keep(self, request: EngineRequest, made: PictureMade) -> StoredPicture:
        return keep(self._vault, request, made)


def keep(vault: FileVault, request: EngineRequest, made: PictureMade) -> StoredPicture:
    """As the flows keep a picture."""
    recipe = PictureRecipe(
        picture_id=secrets.token_hex(8),
        username=request.job_id,
        local_time=MOMENT,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=request.width,
        height=request.height,
        steps=request.steps,
        guidance_scale=request.guidance_scale,
        seed=made.seed,
    )
    return vault.keep(recipe, made.png, made.thumbnail, made.facts)
