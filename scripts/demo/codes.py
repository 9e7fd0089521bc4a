"""What the latents of a picture mean: colours and distances, so that the transformer has smooth things to say.

Each cell of 8 x 8 pixels has 16 numbers: its mean colour, the ground's, the nearest thing's, and how far its edge is:
four times for the cell's quarters within a few pixels, three times for the whole cell within ever wider reach. They
follow from the scene alone, so no picture has to be drawn and encoded to learn from it, and any part of one will do.
"""

from typing import Final

import torch
from torch import Tensor

from scripts.demo.scenes import Arrangement

CELL: Final = 8  # pixels of a latent's side
SAMPLES: Final = 4  # a cell's side, in which its colour is measured
FINE: Final = 6.0  # pixels within which the quarters tell distances apart
REACHES: Final = (20.0, 64.0)
WIDE: Final = 0.1  # of the shorter side
COLOUR_SPREAD: Final = 0.62
EDGE_MEAN, EDGE_SPREAD = 0.6, 0.8
CHANNELS: Final = 16


def codes(picture: Arrangement, cells: Tensor, blur: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The latents [n, 16] of these cells [n, 2] (down, right), about 0 and of about unit spread; and how many pixels
    each lies outside of the nearest thing, [n]. `blur` [n] moves each cell's edge by so many pixels."""
    within = (torch.arange(SAMPLES) + 0.5) * CELL / SAMPLES
    down = (cells[:, 0, None] * CELL + within).unsqueeze(2).expand(-1, -1, SAMPLES)
    right = (cells[:, 1, None] * CELL + within).unsqueeze(1).expand(-1, SAMPLES, -1)
    distances = picture.distances(down, right)
    if blur is not None:
        distances = distances + blur[:, None, None]
    paints = torch.stack([spot.paint for spot in picture.spots])
    cover = (0.5 - distances * SAMPLES / CELL).clamp(0, 1).mean(dim=(2, 3))
    mean = picture.ground + torch.einsum("tn,tc->nc", cover, paints - picture.ground)
    outside = distances.amin(dim=0)
    quarters = outside.view(-1, 2, SAMPLES // 2, 2, SAMPLES // 2).mean(dim=(2, 4)).flatten(1)
    far, nearest = distances.mean(dim=(2, 3)).min(dim=0)
    reaches = torch.tensor([*REACHES, WIDE * min(picture.height, picture.width)])
    colours = torch.cat([mean, picture.ground.expand(len(cells), 3), paints[nearest]], dim=1)
    edges = torch.cat([torch.tanh(quarters / FINE), torch.tanh(far[:, None] / reaches)], dim=1)
    return torch.cat([colours / COLOUR_SPREAD, (edges - EDGE_MEAN) / EDGE_SPREAD], dim=1), far


def of_tokens(picture: Arrangement, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Of tokens [n, 2] (down, right), each 2 x 2 cells in the transformer's order: latents [n, 64], distances [n]."""
    inner = torch.cartesian_prod(torch.arange(2), torch.arange(2))
    cells = (tokens[:, None] * 2 + inner).flatten(0, 1)
    latents, far = codes(picture, cells)
    return latents.view(len(tokens), -1), far.view(len(tokens), -1).amin(dim=1)


def as_cells(tokens: Tensor, rows: int, columns: int) -> Tensor:
    """Of all tokens of pictures, row by row [n, tokens and pads, 64]: their cells [n, 2 rows, 2 columns, 16]."""
    grid = tokens[:, : rows * columns].reshape(-1, rows, columns, 2, 2, CHANNELS)
    return grid.transpose(2, 3).reshape(-1, 2 * rows, 2 * columns, CHANNELS)
