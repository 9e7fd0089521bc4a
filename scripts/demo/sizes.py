"""How large pictures are while the model learns, which of their tokens it looks at, and how many are a batch."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

PATCH: Final = 16  # pixels a token's side
PAD: Final = 32  # tokens that captions and pictures are filled up to
TOKENS: Final = 4096  # of a batch
SMALLEST: Final = 256
LARGEST: Final = 1024
LOOKED_AT: Final = (256, 512, 1024)
BLOCKS: Final = (1, 4, 8, 16)  # tokens a side of what is looked at together


@dataclass(frozen=True, slots=True)
class Canvas:
    """Which tokens of n pictures are looked at: `places` [n, tokens, 2] (down, right) of pictures of `sides` [n, 2], in
    tokens. `pads` [n, tokens] marks those that only fill up. `weights` [n]: for how many tokens each stands, in
    attention."""

    places: Tensor
    sides: Tensor
    pads: Tensor
    weights: Tensor


def pick(chance: random.Random, least: int = 0, bias: float = 1.3) -> tuple[int, int]:
    """Rows and columns in tokens, `least` at least: any size and any shape up to 1:2; the larger `bias`, the more often
    small."""
    while True:
        area = (SMALLEST * (LARGEST / SMALLEST) ** chance.random() ** bias) ** 2
        ratio = 1.0 if chance.random() < 0.5 else 2 ** chance.uniform(-1, 1)
        sides = ((area * ratio) ** 0.5, (area / ratio) ** 0.5)
        rows, columns = (round(min(LARGEST, max(SMALLEST, side)) / PATCH) for side in sides)
        if rows * columns >= least:
            return rows, columns


def all_of(rows: int, columns: int) -> Canvas:
    """All tokens of one picture."""
    spare = -rows * columns % PAD
    return _canvas(_grid(rows, columns), rows, columns, spare, 1.0)


def part(chance: random.Random, slots: int, sides: tuple[int, int]) -> Canvas:
    """So many tokens of one picture of these sides in tokens, in blocks that lie anywhere."""
    rows, columns = sides
    block = chance.choice(BLOCKS)
    every, spare = rows * columns, -rows * columns % PAD
    pads = round(spare * slots / (every + spare))
    grid = _grid(rows, columns)
    # Blocks in a shuffled order, whole ones as long as there is room.
    marks = torch.tensor([chance.random() for _ in range(-(-rows // block) * -(-columns // block))])
    order = marks[(grid[:, 0] // block) * -(-columns // block) + grid[:, 1] // block].argsort(stable=True)
    return _canvas(grid[order[: slots - pads]], rows, columns, pads, every / (slots - pads))


def stack(canvases: Sequence[Canvas]) -> Canvas:
    """Of equally many tokens."""
    return Canvas(
        *(torch.cat([getattr(each, name) for each in canvases]) for name in ("places", "sides", "pads", "weights"))
    )


def count(tokens: int) -> int:
    """Pictures of a batch, of so many tokens each."""
    return max(1, TOKENS // (tokens + PAD))


def _canvas(places: Tensor, rows: int, columns: int, pads: int, weight: float) -> Canvas:
    filled = torch.cat([places, places.new_zeros(pads, 2)])
    marks = torch.arange(len(filled)) >= len(places)
    return Canvas(filled[None], torch.tensor([[rows, columns]]), marks[None], torch.tensor([weight]))


def _grid(rows: int, columns: int) -> Tensor:
    return torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
