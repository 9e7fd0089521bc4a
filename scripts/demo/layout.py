"""Teach the transformer where things lie and what is to be seen there, before it paints.

A token knows its place only from how far it is from others, and the middle of a picture of any size lies elsewhere.
That is learnt best when it is asked for: by heads on the middle layers, which are not shipped. Neither the autoencoder
nor a whole picture is needed for it, so it costs little.
"""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from app.engine.core.untyped import ZImageTransformer
from scripts.demo import captions, networks, reading, scenes, sizes
from scripts.demo.forward import velocity

GLIMPSE: Final = 4  # points a token's side
WAVES: Final = (1, 2, 4)  # of the shorter side: coordinates as waves, so that small errors count
PLACES_AFTER: Final = 2  # layers - 1
SEEN_AFTER: Final = 4
PLACES: Final = 0.5  # weights of the losses
SEEN: Final = 1.0
THING: Final = 4.0
LARGEST: Final = 640
APART: Final = 0.2  # of the range of a colour


@dataclass(frozen=True, slots=True)
class Layout:
    """Coarse pictures [n, 3 * GLIMPSE**2, rows, columns] of tokens, read captions [n, padded length, TEXT] and how many
    tokens each has."""

    coarse: Tensor
    text: Tensor
    lengths: Tensor


class Layouts(IterableDataset[Layout]):
    """The seeded batches from number `start` on."""

    def __init__(self, readers: reading.Readers, seed: int, start: int) -> None:
        self._readers, self._seed, self._start = readers, seed, start

    def __iter__(self) -> Iterator[Layout]:
        torch.set_num_threads(1)
        for number in itertools.count(self._start):
            chance = random.Random(f"{self._seed}-layout-{number}")
            rows, columns = (side // sizes.PATCH for side in sizes.pick(chance, LARGEST))
            pairs = [captions.sample(chance) for _ in range(sizes.count(rows, columns))]
            points = [scenes.draw(scene, rows * GLIMPSE, columns * GLIMPSE, chance) for scene, _ in pairs]
            text, lengths = reading.read(self._readers, [caption for _, caption in pairs])
            yield Layout(functional.pixel_unshuffle(torch.stack(points), GLIMPSE), text, lengths)


def stream(readers: reading.Readers, seed: int, start: int, steps: int) -> Iterator[Layout]:
    """Made ahead in a process of its own."""
    loader: DataLoader[Layout] = DataLoader(
        Layouts(readers, seed, start), batch_size=None, num_workers=1, prefetch_factor=4
    )
    return itertools.islice(loader, steps - start)


def where(rows: int, columns: int) -> Tensor:
    """What there is to know of each token's place, [rows * columns, 4 + 4 * waves]: how far down and right of the
    middle, and the sides, all in units of the shorter one."""
    short = min(rows, columns)
    down, right = torch.meshgrid(
        (torch.arange(rows) + 0.5 - rows / 2) / short,
        (torch.arange(columns) + 0.5 - columns / 2) / short,
        indexing="ij",
    )
    middle = torch.stack([down, right], dim=-1)
    sides = torch.tensor([rows / short, columns / short]).expand(rows, columns, 2)
    waves = [turn(2 * math.pi * times * middle) for times in WAVES for turn in (torch.sin, torch.cos)]
    return torch.cat([middle, sides, *waves], dim=-1).flatten(0, 1)


class Glimpses(nn.Module):
    """The questions to the middle layers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(networks.DIM, elementwise_affine=False)
        self.where = nn.Linear(networks.DIM, 4 + 4 * len(WAVES))
        self.what = nn.Linear(networks.DIM, 3 * GLIMPSE**2)

    def errors(self, seen: list[Tensor], coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared errors of the places and of what is there; `seen` is what the layers have made, in order."""
        rows, columns = coarse.shape[2:]
        places = self.where(self.norm(seen[PLACES_AFTER].float())) - where(rows, columns)
        points = coarse.flatten(2).transpose(1, 2)
        colours = points.reshape(len(points), rows * columns, 3, GLIMPSE**2)
        ground = colours.transpose(2, 3).flatten(1, 2).median(dim=1).values
        far = colours - ground[:, None, :, None]
        weight = 1 + THING * (far.abs().amax(dim=(2, 3)) > APART).float()
        error = (self.what(self.norm(seen[SEEN_AFTER].float())) - points).square().mean(dim=2)
        return places.square().mean(), (error * weight).mean() / weight.mean()

    def loss(self, seen: list[Tensor], coarse: Tensor) -> Tensor:
        places, things = self.errors(seen, coarse)
        total: Tensor = PLACES * places + SEEN * things
        return total


def loss_of(network: ZImageTransformer, glimpses: Glimpses, batch: Layout, generator: torch.Generator) -> Tensor:
    """There is only noise to look at, of the spread that the first steps of a picture have."""
    count, _, rows, columns = batch.coarse.shape
    noise = torch.randn((count, networks.LATENTS, rows * 2, columns * 2), generator=generator)
    seen: list[Tensor] = []
    velocity(network, noise, torch.ones(count), batch.text, batch.lengths, seen)
    return glimpses.loss(seen, batch.coarse)
