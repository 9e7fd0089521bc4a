"""Each usual size is made once before the first person waits for it: kernels are compiled and memory is laid out."""

import logging
from collections.abc import Callable
from typing import Final

import torch

from app.engine.core import memory
from app.engine.core.batching import largest_batch
from app.engine.core.decoding import decode
from app.engine.core.denoising import Sketch, advance, noise, schedule
from app.engine.core.levers import Tuned, forget_compiled, forgive_compiler
from app.engine.core.untyped import ZImagePipeline
from app.logs import where

log = logging.getLogger(__name__)

STEPS: Final = 8
CAPTION: Final = 24  # tokens of a common prompt, template included


def warm_up(pipeline: ZImagePipeline, tuned: Tuned, tell: Callable[[float], None]) -> None:
    """Make a step and a picture of each size that the profile names, alone and in company; `tell` the part done.

    What fails here costs the compiled blocks and nothing else.
    """
    sizes = tuned.profile.warm
    for done, (width, height) in enumerate(sizes):
        tell(done / len(sizes))
        most = largest_batch(width, height, tuned.profile.most)
        for together in sorted({1, most}):
            if (trouble := _trouble_with(pipeline, tuned, width, height, together)) is not None:
                log.warning("%d of %dx%d cannot be made at once: %s", together, width, height, trouble)
                memory.free()
    if tuned.compiled:
        forgive_compiler()


def _trouble_with(pipeline: ZImagePipeline, tuned: Tuned, width: int, height: int, together: int) -> str | None:
    """Compilers fail in many ways, and none has a name of its own."""
    try:
        _make(pipeline, tuned, width, height, together)
    except Exception as error:
        if not memory.is_exhausted(error) and tuned.compiled:
            log.warning("The blocks run uncompiled: %s", type(error).__name__, exc_info=where(error))
            forget_compiled(pipeline.transformer)
            tuned.compiled = False
            tuned.unused.append("compile")
        return type(error).__name__
    return None


@torch.inference_mode()
def _make(pipeline: ZImagePipeline, tuned: Tuned, width: int, height: int, together: int) -> None:
    transformer, stage = pipeline.transformer, tuned.stage
    sigmas, times = schedule(pipeline.scheduler, STEPS)
    features = torch.zeros((CAPTION, transformer.config.cap_feat_dim), device=stage.device, dtype=transformer.dtype)
    sketches = [
        Sketch(
            latents=noise(transformer.in_channels, height, width, seed).to(stage.device),
            sigmas=sigmas,
            times=times,
            wanted=features,
            unwanted=None,
            guidance=0.0,
        )
        for seed in range(together)
    ]
    stage.bring(transformer)
    advance(transformer, sketches)
    decode(pipeline.vae, sketches[0].latents).octets.ready()
