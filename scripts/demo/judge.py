"""Does a picture show its scene? Background, colour, shape and how crisp it is, by plain measuring."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from scripts.demo import scenes
from scripts.demo.scenes import Scene

GRID: Final = 96  # cells of the longer side in which things are told apart
TEMPLATE: Final = 48
CONTRAST: Final = 32.0  # of 441: less than between any two colours
SPECK: Final = 0.02  # of the shorter side, squared: smaller spots are no things
LIKENESS: Final = 0.75  # of the union, that a thing and the shape it is taken for share


@dataclass(frozen=True, slots=True)
class Verdict:
    background: bool
    colour: bool
    shape: bool


@dataclass(frozen=True, slots=True)
class Outline:
    """How far the things' outlines lie from where they belong, on the mean and in parts of the shorter side; and how
    much longer they are than plain ones, as a ratio: ragged ones are."""

    off: float
    longer: float


@dataclass(frozen=True, slots=True)
class Seen:
    """One spot that is not background: its colour's and its shape's name, its middle right and down in cells."""

    colour: str
    shape: str
    right: float
    down: float


def judge(pixels: Tensor, scene: Scene) -> Verdict:
    """`pixels` are [height, width, 3], 0..255. Every thing must be there, in its order, and nothing else."""
    picture = pixels.float()
    ground = _ground(picture)
    found = _things(picture, ground)
    found.sort(key=lambda seen: seen.down if scene.stacked else seen.right)
    expected = scene.parts
    colours = sorted(seen.colour for seen in found) == sorted(part.colour for part in expected)
    shapes = [seen.shape for seen in found] == [part.shape for part in expected]
    if len(found) != len(expected) and scene.count > 1:  # counting is judged with the shape
        colours = bool(found) and {seen.colour for seen in found} == {scene.things[0].colour}
    return Verdict(_named(ground) == scene.background, colours, shapes)


def outline(pixels: Tensor, scene: Scene) -> Outline:
    """`pixels` are [height, width, 3], 0..255, and show the scene."""
    picture = pixels.float()
    height, width = picture.shape[:2]
    paints = torch.tensor([scenes.COLOURS[thing.colour] for thing in scene.things], dtype=torch.float32)
    from_paint = (picture[..., None, :] - paints).norm(dim=3).amin(dim=2)
    shown = ((picture - _ground(picture)).norm(dim=2) > from_paint).float()
    asked = (scenes.arrange(scene, height, width).outside().amin(dim=0) < 0).float()
    length = _length(asked)
    return Outline(float((shown - asked).abs().sum()) / length / min(height, width), _length(shown) / length - 1)


def _length(apart: Tensor) -> float:
    """Of the outlines of what is 1 amid 0, in pixels: the slopes' sum once they are a little blurred."""
    soft = functional.avg_pool2d(functional.avg_pool2d(apart[None], 3, stride=1), 3, stride=1)[0]
    return float(torch.hypot(soft.diff(dim=0)[:, 1:], soft.diff(dim=1)[1:]).sum())


def _ground(picture: Tensor) -> Tensor:
    """The middle colour of the frame around."""
    edge = max(2, min(picture.shape[:2]) // 32)
    frame = (picture[:edge], picture[-edge:], picture[:, :edge], picture[:, -edge:])
    return torch.cat([side.reshape(-1, 3) for side in frame]).median(dim=0).values


def _named(colour: Tensor) -> str:
    names = list(scenes.COLOURS)
    palette = torch.tensor([scenes.COLOURS[name] for name in names], dtype=torch.float32)
    return names[int((palette - colour).norm(dim=1).argmin())]


def _things(picture: Tensor, ground: Tensor) -> list[Seen]:
    apart = (picture - ground).norm(dim=2) > CONTRAST
    height, width = apart.shape
    cell = max(1, max(height, width) // GRID)
    coarse = functional.avg_pool2d(apart[None, None].float(), cell)[0, 0] > 0.5
    seen = []
    for spot in _spots(coarse):
        if spot.sum() * cell**2 < SPECK**2 * min(height, width) ** 2:
            continue
        rows, columns = (torch.nonzero(spot.any(dim=side)).flatten() for side in (1, 0))
        top, bottom = max(0, int(rows[0]) - 1) * cell, (int(rows[-1]) + 2) * cell
        left, right = max(0, int(columns[0]) - 1) * cell, (int(columns[-1]) + 2) * cell
        colour = picture[: coarse.shape[0] * cell, : coarse.shape[1] * cell][
            spot.repeat_interleave(cell, 0).repeat_interleave(cell, 1)
        ]
        shape = _shape(apart[top:bottom, left:right])
        middle = (float(columns.float().mean()), float(rows.float().mean()))
        seen.append(Seen(_named(colour.median(dim=0).values), shape, *middle))
    return seen


def _spots(coarse: Tensor) -> list[Tensor]:
    """The connected parts: numbers spread to their neighbours until nothing changes."""
    numbers = torch.arange(1, coarse.numel() + 1, dtype=torch.float32).view(coarse.shape) * coarse
    while True:
        spread = functional.max_pool2d(numbers[None], 3, stride=1, padding=1)[0] * coarse
        if torch.equal(spread, numbers):
            return [numbers == number for number in torch.unique(numbers) if number > 0]
        numbers = spread


def _framed(spot: Tensor) -> Tensor:
    """Cut to what is true, stretched to a square; the stretch keeps round and slim apart by `_shape`."""
    rows, columns = (torch.nonzero(spot.any(dim=side)).flatten() for side in (1, 0))
    cut = spot[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
    return functional.interpolate(cut[None, None].float(), (TEMPLATE, TEMPLATE), mode="area")[0, 0] > 0.5


def _shape(spot: Tensor) -> str:
    """The shape whose upright outline it shares most with, or "" if that is too little."""
    if not spot.any():
        return ""
    framed = _framed(spot)
    likeness = {name: float((framed & outline).sum() / (framed | outline).sum()) for name, outline in TEMPLATES.items()}
    best = max(likeness, key=lambda name: likeness[name])
    return best if likeness[best] >= LIKENESS else ""


TEMPLATES: Final = {name: _framed(scenes.mask(name, 240)) for name in scenes.SHAPES}
