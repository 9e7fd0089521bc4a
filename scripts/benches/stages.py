"""How long each stage of a picture takes alone, the device awaited."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import torch

from app.domain.ports import PictureMade
from app.engine.core import denoising
from app.engine.core.captions import CaptionEncoder
from app.engine.core.decoding import Developed, decode, png, thumbnail
from app.engine.core.hostcopy import HostCopy
from app.engine.core.untyped import ZImagePipeline
from app.storage.vault import FileVault
from scripts.benches.crowd import request_for
from scripts.benches.own_engine import keep
from scripts.benches.photos import photo_like

ROUNDS: Final = 5
STEPS: Final = 8


@torch.inference_mode()
def measure_stages(pipeline: ZImagePipeline, side: int, folder: Path) -> dict[str, float]:
    """Milliseconds. From `png` on with a photo-like picture, which is what PNG finds hard."""
    return {"side": side, **_on_device(pipeline, side), **_on_host(side, folder)}


def _on_device(pipeline: ZImagePipeline, side: int) -> dict[str, float]:
    captions = CaptionEncoder(pipeline.tokenizer, pipeline.text_encoder)
    transformer, vae = pipeline.transformer, pipeline.vae
    text = _milliseconds(lambda: captions.features(request_for(side, STEPS).prompt))
    wanted = captions.features(request_for(side, STEPS).prompt)
    sigmas, times = denoising.schedule(pipeline.scheduler, STEPS)
    start = denoising.noise(transformer.in_channels, side, side, 1).to(transformer.device)
    sketch = denoising.Sketch(start, sigmas, times, wanted, None, 0.0)

    def step() -> None:
        sketch.step = 0
        denoising.advance(transformer, [sketch])

    def octets() -> None:
        decode(painted, start).octets.ready()

    ready = start[None].to(vae.dtype)
    pixels = vae.decode(ready, return_dict=False)
    painted: Any = SimpleNamespace(config=vae.config, dtype=vae.dtype, decode=lambda *_, **__: pixels)
    return {
        "text": text,
        "step": _milliseconds(step),
        "decode": _milliseconds(partial(vae.decode, ready, return_dict=False)),
        "octets": _milliseconds(octets),
    }


def _on_host(side: int, folder: Path) -> dict[str, float]:
    photo = Developed(HostCopy(photo_like(side)), HostCopy(torch.tensor(data=True)))
    content, small = png(photo.image()), thumbnail(photo.image())
    vault = FileVault(folder / "outputs", folder / "thumbnails", folder / "strays")
    made = PictureMade(index=0, seed=1, png=content, thumbnail=small, seconds=0.0, facts={})
    request = request_for(side, STEPS)
    return {
        "png": _milliseconds(lambda: png(photo.image())),
        "thumbnail": _milliseconds(lambda: thumbnail(photo.image())),
        "write": _milliseconds(lambda: keep(vault, request, made)),
    }


def _milliseconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken[1:])
