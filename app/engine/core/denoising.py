"""One denoising step for pictures of equal shape, whatever step each is at: the pipeline's arithmetic, step by step.

`ZImagePipeline.__call__` holds its loop closed; here it is open between steps, so that pictures join, leave and are
cancelled there. The numbers are the pipeline's own, bit by bit (a test compares them).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from diffusers.pipelines.z_image.pipeline_z_image import get_default_z_image_sigmas
from torch import Tensor

from app.engine.core.untyped import Scheduler, ZImageTransformer

SIDE: Final = 8  # pixels of a latent's side
TRAINING_STEPS: Final = 1000.0


@dataclass(slots=True)
class Kept:
    """What a mask keeps: the latents of the `original` and the `noise` they began with, both [channels, height / 8,
    width / 8]; `mask` is 1 where the picture is made anew and 0 where the original stays."""

    original: Tensor
    noise: Tensor
    mask: Tensor

    def under(self, made: Tensor, original: Tensor) -> Tensor:
        return (1 - self.mask) * original + self.mask * made


@dataclass(slots=True)
class Sketch:
    """A picture on its way: latents [channels, height / 8, width / 8], float32, at `step` of `len(times)`.

    `sigmas` has one entry more than `times`, and both stay on the CPU. `clean` is what the last step took the finished
    latents to be. `unwanted` are the features of the negative prompt, None without guidance. `kept` is what a mask
    keeps.
    """

    latents: Tensor
    sigmas: Tensor
    times: Tensor
    wanted: Tensor
    unwanted: Tensor | None
    guidance: float
    kept: Kept | None = None
    step: int = 0
    clean: Tensor | None = None

    @property
    def is_done(self) -> bool:
        return self.step == len(self.times)


def schedule(scheduler: Scheduler, steps: int) -> tuple[Tensor, Tensor]:
    """Sigmas [steps + 1] and times [steps] of the pipeline's scheduler for so many steps."""
    own = copy.deepcopy(scheduler)
    # `mu` is only read by schedules that depend on the size, which this model's does not.
    own.set_timesteps(sigmas=get_default_z_image_sigmas(steps), mu=1.0)
    return own.sigmas.cpu(), own.timesteps.cpu()


def noise(channels: int, height: int, width: int, seed: int) -> Tensor:
    """The first latents: drawn on the CPU for every device, so that a seed is the same noise everywhere."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, channels, height // SIDE, width // SIDE), generator=generator)[0]


def noised(original: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """The scheduler's `scale_noise`: the original at that noise level."""
    level = sigma.to(original.device, original.dtype, non_blocking=True)
    return level * noise + (1.0 - level) * original


def advance(transformer: ZImageTransformer, sketches: Sequence[Sketch]) -> None:
    """Take each one step further, all in one call; nothing has changed if that fails."""
    latents = [sketch.latents.to(transformer.dtype).unsqueeze(1) for sketch in sketches]
    times = [sketch.times[sketch.step] for sketch in sketches]
    captions = [sketch.wanted for sketch in sketches]
    guided = [place for place, sketch in enumerate(sketches) if sketch.unwanted is not None]
    for place in guided:
        latents.append(latents[place])
        times.append(times[place])
        captions.append(sketches[place].unwanted)  # type: ignore[arg-type] # not None: it is guided
    clock = ((TRAINING_STEPS - torch.stack(times)) / TRAINING_STEPS).to(latents[0].device, non_blocking=True)
    outcome = transformer(latents, clock, captions, return_dict=False)[0]
    velocities = [out.float() for out in outcome[: len(sketches)]]
    for place, out in zip(guided, outcome[len(sketches) :], strict=True):
        wanted = velocities[place]
        velocities[place] = wanted + sketches[place].guidance * (wanted - out.float())
    moved = [_moved(sketch, -velocity.squeeze(1)) for sketch, velocity in zip(sketches, velocities, strict=True)]
    for sketch, (now, clean) in zip(sketches, moved, strict=True):
        sketch.latents, sketch.clean = now, clean
        sketch.step += 1


def _moved(sketch: Sketch, velocity: Tensor) -> tuple[Tensor, Tensor]:
    """Euler's step along the flow, and where it would end if it were straight: x0 = x - sigma v."""
    now, then = sketch.sigmas[sketch.step], sketch.sigmas[sketch.step + 1]
    clean = sketch.latents - float(now) * velocity
    latents = sketch.latents + float(then - now) * velocity
    if (kept := sketch.kept) is not None:
        is_last = sketch.step + 1 == len(sketch.times)
        clean = kept.under(clean, kept.original)
        latents = kept.under(latents, kept.original if is_last else noised(kept.original, kept.noise, then))
    return latents, clean
