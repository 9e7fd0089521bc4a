"""How large pictures are while the model learns, and how many of them are a batch."""

import random
from typing import Final

PATCH: Final = 16  # pixels a token's side
PAD: Final = 32  # tokens that captions and pictures are filled up to
TOKENS: Final = 4096  # of a batch


def pick(chance: random.Random, largest_side: int) -> tuple[int, int]:
    """Height and width in pixels: small ones often, because they cost little, any shape up to 1:2."""
    area = (128 * (largest_side / 128) ** chance.random() ** 1.6) ** 2
    ratio = 1.0 if chance.random() < 0.5 else 2 ** chance.uniform(-1, 1)
    sides = ((area * ratio) ** 0.5, (area / ratio) ** 0.5)
    height, width = (min(1024, max(96, round(side / PATCH) * PATCH)) for side in sides)
    return height, width


def count(rows: int, columns: int) -> int:
    """Pictures of that many tokens in a batch."""
    return max(2, TOKENS // (rows * columns + PAD))
