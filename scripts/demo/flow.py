"""Teach the transformer to paint: flow matching on the latents of drawn scenes, in many sizes."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from app.engine.core.untyped import ZImageTransformer
from scripts.demo import captions, layout, networks, reading, scenes, sizes
from scripts.demo.forward import velocity
from scripts.demo.layout import Layout

# The sigmas of the pipeline's 8 steps: linspace(1, 1/8, 8), shifted by 3.
STEPS: Final = tuple(3 * u / (1 + 2 * u) for u in (1 - i / 8 for i in range(8)))
# How often each of them is trained: what is where is decided in the first.
EMPHASIS: Final = (3.0, 2.0, 1.5, 1.2, 1.0, 1.0, 1.0, 1.0)
ON_STEPS: Final = 0.7
APART: Final = 0.5  # of the latents' spread, from the ground's; the rim, where convolutions see nothing, is less
THING: Final = 4.0
GLIMPSES: Final = 0.3
GROWTH: Final = ((0.4, 320), (0.7, 512), (0.85, 768), (1.0, 1024))
ECHO: Final = 4  # times that a batch is learnt from: encoding its pictures costs more than a step
GROUP: Final = 8  # batches that take turns meanwhile


@dataclass(frozen=True, slots=True)
class Batch:
    """Latents [n, 16, h, w] of unit spread, and what is to be seen in them."""

    latents: Tensor
    layout: Layout


class Scenes(IterableDataset[Batch]):
    """The seeded batches from number `start` on."""

    def __init__(self, readers: reading.Readers, seed: int, start: int, steps: int) -> None:
        self._readers, self._seed, self._start, self._steps = readers, seed, start, steps

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        for number in itertools.count(self._start):
            yield self._batch(number)

    def _batch(self, number: int) -> Batch:
        chance = random.Random(f"{self._seed}-flow-{number}")
        height, width = sizes.pick(chance, largest(min(1.0, number * ECHO / self._steps)))
        wordy = chance.random() < captions.WORDY
        count = sizes.count(height // sizes.PATCH, width // sizes.PATCH)
        pairs = [captions.sample(chance, wordy=wordy) for _ in range(count)]
        latents, coarse = [], []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for part in range(0, count, 16):
                drawn = torch.stack([scenes.draw(scene, height, width, chance) for scene, _ in pairs[part : part + 16]])
                mean = self._readers.vae.encoder(drawn)[:, : networks.LATENTS]
                points = functional.avg_pool2d(drawn, sizes.PATCH // layout.GLIMPSE)
                coarse.append(functional.pixel_unshuffle(points, layout.GLIMPSE))
                latents.append((mean.float() - networks.SHIFT) * networks.SCALE)
        text, lengths = reading.read(self._readers, [text for _, text in pairs])
        return Batch(torch.cat(latents), Layout(torch.cat(coarse), text, lengths))


def largest(progress: float) -> int:
    """The side of the largest square so far: what captions mean is learnt where it costs little."""
    return next(side for until, side in GROWTH if progress <= until)


def stream(readers: reading.Readers, seed: int, start: int, steps: int) -> Iterator[Batch]:
    """A batch for each step from `start` to `steps`, made ahead in a process of its own."""
    groups, turn = divmod(start, GROUP * ECHO)
    scenes_ahead = Scenes(readers, seed, groups * GROUP, steps)
    loader: DataLoader[Batch] = DataLoader(scenes_ahead, batch_size=None, num_workers=1, prefetch_factor=GROUP)
    made = iter(loader)
    left = steps - start
    while left > 0:
        group = list(itertools.islice(made, GROUP))
        for batch in (group * ECHO)[turn:][:left]:
            yield batch
            left -= 1
        turn = 0


def loss_of(network: ZImageTransformer, glimpses: layout.Glimpses, batch: Batch, generator: torch.Generator) -> Tensor:
    """Mean squared error of the velocity, and a part of the glimpses'. Most samples sit on the pipeline's own eight
    sigmas, the first ones above all, and most of the weight where a picture is not plain background."""
    count = len(batch.latents)
    u = torch.rand(count, generator=generator)
    free = 3 * u / (1 + 2 * u)
    fixed = torch.tensor(STEPS)[torch.multinomial(torch.tensor(EMPHASIS), count, replacement=True, generator=generator)]
    sigma = torch.where(torch.rand(count, generator=generator) < ON_STEPS, fixed, free)
    noise = torch.randn(batch.latents.shape, generator=generator)
    mix = sigma.view(-1, 1, 1, 1)
    seen: list[Tensor] = []
    noisy = (1 - mix) * batch.latents + mix * noise
    out = velocity(network, noisy, sigma, batch.layout.text, batch.layout.lengths, seen)
    error = (out.float() - (batch.latents - noise)).square().mean(dim=1)
    return (error * weights(batch.latents)).mean() + GLIMPSES * glimpses.loss(seen, batch.layout.coarse)


def weights(latents: Tensor) -> Tensor:
    """[n, h, w], 1 on average: things and their edges count more than the ground around them, small things too."""
    ground = latents.flatten(2).median(dim=2).values[..., None, None]
    thing = ((latents - ground).abs().mean(dim=1, keepdim=True) > APART).float()
    near = functional.max_pool2d(thing, 3, stride=1, padding=1)[:, 0]
    weight = 1 + THING * near
    return weight / weight.mean(dim=(1, 2), keepdim=True)
