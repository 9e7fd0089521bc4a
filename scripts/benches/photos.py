"""A picture that is as hard to compress as a photograph: nothing that a model with random weights paints is."""

from typing import Final

import torch
from torch import Tensor

SEED: Final = 3
# How strengths fall with the frequency, so that PNG needs 1.6 to 1.9 bytes a pixel, as for most photographs.
LIGHT_FALL: Final = 1.4
COLOUR_FALL: Final = 1.8
# All of 255.
MIDDLE: Final = 120.0
SHADE: Final = 30.0
LIGHT: Final = 55.0
COLOUR: Final = 12.0
GRAIN: Final = 1.0


def photo_like(side: int) -> Tensor:
    """Octets [side, side, 3], the same each time: clouds of light, less of colour, a darker top, and grain."""
    generator = torch.Generator().manual_seed(SEED)
    shade = torch.linspace(-SHADE, SHADE, side)[:, None]
    light = MIDDLE + shade + LIGHT * _clouds(side, LIGHT_FALL, generator)
    layers = [
        light + COLOUR * _clouds(side, COLOUR_FALL, generator) + GRAIN * torch.randn((side, side), generator=generator)
        for _ in range(3)
    ]
    return torch.stack(layers, dim=-1).clamp(0, 255).round().to(torch.uint8).contiguous()


def _clouds(side: int, fall: float, generator: torch.Generator) -> Tensor:
    """[side, side] around 0 with deviation 1: noise whose waves are the stronger the longer they are."""
    ups, downs = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]
    strength = torch.hypot(ups, downs).clamp(min=1 / side) ** -fall
    waves = torch.fft.rfft2(torch.randn((side, side), generator=generator)) * strength
    clouds: Tensor = torch.fft.irfft2(waves, s=(side, side))
    return (clouds - clouds.mean()) / clouds.std()
