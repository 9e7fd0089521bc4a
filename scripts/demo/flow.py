"""Teach the transformer to paint: flow matching on the latents of scenes, in many sizes.

Of a large picture only some tokens are looked at, a different choice in each step: so 1024 x 1024 costs no more than
256 x 256. The last steps see pictures whole.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from app.engine.core.untyped import ZImageTransformer
from scripts.demo import captions, codes, layout, networks, reading, scenes, sizes
from scripts.demo.forward import velocity

# The sigmas of the pipeline's 8 steps: linspace(1, 1/8, 8), shifted.
STEPS: Final = tuple(networks.SHIFTED * u / (1 + (networks.SHIFTED - 1) * u) for u in (1 - i / 8 for i in range(8)))
# How often each of them is trained: what is where is decided in the first.
EMPHASIS: Final = (3.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.5)
ON_STEPS: Final = 0.7
NEAR: Final = 24.0  # pixels from a thing
THING: Final = 9.0
ASKED: Final = 1.0
RAGGED: Final = 1.0
LEAST: Final = 0.02  # of the noise: below, only rounding would be learnt
LATE: Final = 0.5  # sigma, below which the velocity counts as much as the picture that it leads to


@dataclass(frozen=True, slots=True)
class Batch:
    """Clean tokens [n, tokens, 64], how much each counts [n, tokens], where they lie, and what is asked for; `whole` if
    they are all of their pictures, row by row."""

    clean: Tensor
    weights: Tensor
    canvas: sizes.Canvas
    caption: reading.Caption
    whole: bool


class Scenes(IterableDataset[Batch]):
    """The seeded batches from number `start` on."""

    def __init__(self, readers: reading.Readers, seed: int, start: int, whole_from: int) -> None:
        self._readers, self._seed, self._start, self._whole_from = readers, seed, start, whole_from

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        for number in itertools.count(self._start):
            yield self.batch(number)

    def batch(self, number: int) -> Batch:
        chance = random.Random(f"{self._seed}-flow-{number}")
        whole = number >= self._whole_from
        if whole:
            one = sizes.all_of(*sizes.pick(chance, bias=1.5))
            canvases = [one] * sizes.count(one.places.shape[1])
        else:
            slots = chance.choice(sizes.LOOKED_AT)
            canvases = [sizes.part(chance, slots, sizes.pick(chance, slots, 0.8)) for _ in range(sizes.count(slots))]
        wordy = chance.random() < captions.WORDY
        pairs = [captions.sample(chance, wordy=wordy) for _ in canvases]
        clean, weights = [], []
        for (scene, _), canvas in zip(pairs, canvases, strict=True):
            rows, columns = canvas.sides[0].tolist()
            picture = scenes.arrange(scene, rows * sizes.PATCH, columns * sizes.PATCH)
            latents, far = codes.of_tokens(picture, canvas.places[0])
            weight = (1 + THING * (far < NEAR).float()) * ~canvas.pads[0]
            clean.append(latents)
            weights.append(weight / weight.mean())
        caption = reading.read(self._readers, [text for _, text in pairs])
        return Batch(torch.stack(clean), torch.stack(weights), sizes.stack(canvases), caption, whole)


def stream(readers: reading.Readers, seed: int, steps: range, whole_from: int) -> Iterator[Batch]:
    """A batch for each of the steps, made ahead in a process of its own."""
    ahead = Scenes(readers, seed, steps.start, whole_from)
    loader: DataLoader[Batch] = DataLoader(ahead, batch_size=None, num_workers=1, prefetch_factor=4)
    return itertools.islice(loader, len(steps))


def loss_of(
    network: ZImageTransformer, compass: layout.Compass, batch: Batch, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mean squared error of the velocity, most of all near things, with what the compass asks; and the latter's errors.
    Most samples sit on the pipeline's own eight sigmas, the first and the last above all."""
    count = len(batch.clean)
    u = torch.rand(count, generator=generator)
    free = 3 * u / (1 + 2 * u)  # most of them where the picture is decided
    fixed = torch.tensor(STEPS)[torch.multinomial(torch.tensor(EMPHASIS), count, replacement=True, generator=generator)]
    sigma = torch.where(torch.rand(count, generator=generator) < ON_STEPS, fixed, free.clamp(min=LEAST))
    noise = torch.randn(batch.clean.shape, generator=generator)
    mix = sigma.view(-1, 1, 1)
    seen: list[Tensor] = []
    noisy = (1 - mix) * batch.clean + mix * noise
    out = velocity(network, noisy, batch.canvas, sigma, batch.caption, seen)
    asked = compass.errors(seen, batch.canvas)
    return error_of(out.float() - (batch.clean - noise), sigma, batch) + ASKED * asked.mean(), asked.detach()


def error_of(wrong: Tensor, sigma: Tensor, batch: Batch) -> Tensor:
    """Mean square of what is wrong [n, tokens, 64] with the velocities at `sigma` [n], most of all near things; of
    whole pictures also of how it differs from one cell to the next, which is what makes outlines ragged."""
    weights = batch.weights * (sigma / LATE).square().clamp(max=1)[:, None]
    error = (wrong.square().mean(dim=2) * weights).mean()
    if not batch.whole:
        return error
    cells = codes.as_cells(wrong * weights.sqrt()[..., None], *batch.canvas.sides[0].tolist())
    return error + RAGGED * (cells.diff(dim=1).square().mean() + cells.diff(dim=2).square().mean())
