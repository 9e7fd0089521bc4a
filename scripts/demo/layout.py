"""Where things lie: a token knows its place only from how far it is from others, and the middle lies elsewhere in a
picture of any other size. That is learnt best when it is asked for, step by step, by heads on the first layers, which
are not shipped."""

import math
from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor, nn

from scripts.demo import networks
from scripts.demo.sizes import Canvas

GRID: Final = 64  # tokens: of the largest side
PERIODS: Final = (64, 32, 16)
WAVES: Final = ((2, 4), (4, 8), (8, 16))  # of the shorter side: coordinates as waves, so that small errors count
# How many numbers each of the first layers is asked for.
ASKED: Final = (2 + 4 * len(PERIODS), 6, 6, *(4 * len(waves) for waves in WAVES))


def answers(canvas: Canvas) -> tuple[Tensor, ...]:
    """For each of ASKED [n, tokens, numbers]: the place from the corner; the picture's sides; the place from the
    middle in units of the shorter side; the same in ever finer waves."""
    places, sides = canvas.places.float(), canvas.sides.float()
    short = sides.amin(dim=1, keepdim=True)
    corner = [places / GRID, *_waves(places, (1 / period for period in PERIODS))]
    extent = torch.cat([sides.log2() - 5, short.log2() - 5, 16 / short, sides / GRID], dim=1)
    middle = (places + 0.5 - sides[:, None] / 2) / short[:, None]
    return (
        torch.cat(corner, dim=2),
        extent[:, None].expand(-1, places.shape[1], -1),
        torch.cat([2 * middle, *_waves(middle, (1,))], dim=2),
        *(torch.cat(list(_waves(middle, waves)), dim=2) for waves in WAVES),
    )


def _waves(places: Tensor, times: Iterable[float]) -> list[Tensor]:
    return [turn(2 * math.pi * each * places) for each in times for turn in (torch.sin, torch.cos)]


class Compass(nn.Module):
    """The questions to the first layers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(networks.DIM, elementwise_affine=False)
        self.lines = nn.ModuleList(nn.Linear(networks.DIM, numbers) for numbers in ASKED)

    def errors(self, seen: list[Tensor], canvas: Canvas) -> Tensor:
        """Mean squared errors of each asked layer; `seen` is what the layers have made, in order."""
        asked = zip(self.lines, seen, answers(canvas), strict=False)
        wrong = [(line(self.norm(layer.float())) - right).square().mean(dim=2) for line, layer, right in asked]
        return torch.stack([each[~canvas.pads].mean() for each in wrong])
