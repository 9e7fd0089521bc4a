"""An engine that has every picture ready: what remains is the studio's own work."""

import io
from collections.abc import Iterator, Sequence
from typing import Final

from PIL import Image

from app.domain.ports import EngineEvent, EngineRequest, EngineState, EngineStatus, PictureMade, StepDone
from app.storage.thumbnails import thumbnail

FACTS: Final = dict.fromkeys(("model", "revision", "dtype", "device", "torch", "diffusers"), "bench")


class InstantEngine:
    """The `Engine` port; the same small picture for everything."""

    def __init__(self) -> None:
        file = io.BytesIO()
        Image.new("RGB", (256, 256), "red").save(file, "PNG")
        self._png = file.getvalue()
        self._thumbnail = thumbnail(self._png)

    def start(self) -> None:
        """It always runs."""

    def stop(self, timeout: float) -> None:
        """Nothing to stop."""

    def load(self, model: str) -> None:
        """There is but one."""

    def unload(self) -> None:
        """It takes no memory."""

    def status(self) -> EngineStatus:
        return EngineStatus(state=EngineState.READY, model="bench")

    def run(self, request: EngineRequest) -> Iterator[EngineEvent]:
        for order in request.pictures:
            for step in range(1, request.steps + 1):
                yield StepDone(index=order.index, step=step)
            yield PictureMade(
                index=order.index,
                seed=order.seed,
                png=self._png,
                thumbnail=self._thumbnail,
                seconds=0.001,
                facts=FACTS,
            )

    def has_room(self, running: Sequence[EngineRequest], request: EngineRequest) -> bool:  # noqa: ARG002 - the port's
        return False

    def cancel(self, job_id: str) -> None:
        """Nothing takes long enough."""

    def count_tokens(self, text: str) -> int | None:
        return len(text.split())
