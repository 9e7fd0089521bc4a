"""Pictures of plain shapes and what is in them: sampled, and drawn at any size from signed distances."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

COLOURS: Final = {
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (245, 215, 50),
    "green": (50, 160, 70),
    "cyan": (60, 200, 210),
    "blue": (45, 85, 215),
    "purple": (130, 60, 180),
    "pink": (245, 150, 190),
    "brown": (130, 80, 45),
    "black": (25, 25, 25),
    "gray": (135, 135, 135),
    "white": (248, 248, 248),
}
SHAPES: Final = ("circle", "square", "triangle", "star", "heart", "ring", "diamond", "cross")
SIZES: Final = {"small": 0.15, "": 0.25, "large": 0.36}
PLACES: Final = {
    "": (0.0, 0.0),
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "top": (0.0, 1.0),
    "bottom": (0.0, -1.0),
    "top left": (-1.0, 1.0),
    "top right": (1.0, 1.0),
    "bottom left": (-1.0, -1.0),
    "bottom right": (1.0, -1.0),
}
# What nobody asked for: so every caption, also one of unknown words alone, has one picture.
DEFAULT_COLOUR: Final = "gray"
DEFAULT_BACKGROUND: Final = "white"
DEFAULT_SHAPE: Final = "circle"
PAIR_RADIUS: Final = 0.19
MARGIN: Final = 0.06
# How far what is drawn for the autoencoder may be off.
SHIFT: Final = 0.003
STRETCH: Final = 0.006
TURN: Final = 0.012
TINT: Final = 0.02


@dataclass(frozen=True, slots=True)
class Thing:
    """`place` is a key of PLACES; of several things in one picture the arrangement is the scene's."""

    shape: str
    colour: str
    size: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing, two to four of its kind, or two different ones, side by side or `stacked`."""

    things: tuple[Thing, ...]
    background: str
    count: int = 1
    stacked: bool = False

    @property
    def parts(self) -> tuple[Thing, ...]:
        """What is to be seen, one by one."""
        return self.things * self.count


def sample(chance: random.Random) -> Scene:
    """A scene of the kinds that the model is trained and scored on."""
    background, first, second = chance.sample(list(COLOURS), 3)
    thing = Thing(chance.choice(SHAPES), first)
    kind = chance.random()
    if kind < 0.2:
        other = Thing(chance.choice([shape for shape in SHAPES if shape != thing.shape]), second)
        return Scene((thing, other), background, stacked=chance.random() < 0.25)
    if kind < 0.35:
        return Scene((thing,), background, count=chance.randint(2, 4))
    size = chance.choice(("", "", *SIZES))
    place = chance.choice(list(PLACES)) if chance.random() < 0.5 else ""
    return Scene((replace(thing, size=size, place=place),), background)


def circles(scene: Scene, height: int, width: int) -> list[tuple[float, float, float]]:
    """Centre (right, up) and radius of each part, in units of the shorter side; the picture's middle is 0, 0."""
    short = min(height, width)
    half_w, half_h = width / short / 2, height / short / 2
    count = len(scene.parts)
    if count == 1:
        thing = scene.things[0]
        right, up = PLACES[thing.place]
        radius = SIZES[thing.size]
        return [
            (
                right * min(0.25 * width / short, half_w - radius),
                up * min(0.25 * height / short, half_h - radius),
                radius,
            )
        ]
    if count == 2:
        spots = [(0.0, 0.24), (0.0, -0.24)] if scene.stacked else [(-0.24, 0.0), (0.24, 0.0)]
        return [(*spot, PAIR_RADIUS) for spot in spots]
    if count == 3:
        return [(right, 0.0, 0.135) for right in (-0.31, 0.0, 0.31)]
    return [(right, up, 0.165) for up in (0.22, -0.22) for right in (-0.22, 0.22)]


@dataclass(frozen=True, slots=True)
class Spot:
    """One thing where it lies: middle (right, up) and radius in units of the shorter side, `turn` in radians."""

    shape: str
    paint: Tensor  # [3] in -1..1
    right: float
    up: float
    radius: float
    turn: float


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A scene as it is drawn once, a little different each time: its ground [3], its things, its sides in pixels."""

    ground: Tensor
    spots: tuple[Spot, ...]
    height: int
    width: int

    def distances(self, down: Tensor, right: Tensor) -> Tensor:
        """How far outside of each thing these points are (inside: negative), [things, ...] in pixels; the points are
        pixels from the picture's upper left corner."""
        short = min(self.height, self.width)
        up, right = (self.height / 2 - down) / short, (right - self.width / 2) / short
        found = []
        for spot in self.spots:
            dx, dy = (right - spot.right) / spot.radius, (up - spot.up) / spot.radius
            cos, sin = math.cos(spot.turn), math.sin(spot.turn)
            found.append(DISTANCES[spot.shape](dx * cos + dy * sin, dy * cos - dx * sin) * spot.radius * short)
        return torch.stack(found)

    def outside(self, top: int = 0, left: int = 0, side: int | None = None) -> Tensor:
        """How far outside of each thing every pixel lies, [things, height, width], or those of a square window."""
        height, width = (side, side) if side else (self.height, self.width)
        down, right = torch.arange(height) + top + 0.5, torch.arange(width) + left + 0.5
        return self.distances(*torch.meshgrid(down, right, indexing="ij"))


def arrange(scene: Scene, height: int, width: int, chance: random.Random | None = None) -> Arrangement:
    """The scene as it is asked for; or as `chance` has it, a little off."""

    def off(reach: float) -> float:
        return chance.uniform(-reach, reach) if chance else 0.0

    def paint(colour: str) -> Tensor:
        return torch.tensor([value / 127.5 - 1 + off(TINT) for value in COLOURS[colour]])

    tints = {thing: paint(thing.colour) for thing in scene.things}
    spots = tuple(
        Spot(
            shape=thing.shape,
            paint=tints[thing],
            right=right + off(SHIFT),
            up=up + off(SHIFT),
            radius=radius * (1 + off(STRETCH)),
            turn=off(TURN),
        )
        for thing, (right, up, radius) in zip(scene.parts, circles(scene, height, width), strict=True)
    )
    return Arrangement(paint(scene.background), spots, height, width)


def draw(picture: Arrangement, top: int = 0, left: int = 0, side: int | None = None) -> Tensor:
    """The picture [3, height, width] in -1..1, or a square window of it."""
    outside = picture.outside(top, left, side)
    drawn = picture.ground.view(3, 1, 1).expand(3, *outside.shape[1:]).clone()
    for spot, distance in zip(picture.spots, outside, strict=True):
        drawn += (0.5 - distance).clamp(0, 1) * (spot.paint.view(3, 1, 1) - drawn)
    return drawn.clamp(-1, 1)


def mask(shape: str, pixels: int) -> Tensor:
    """The bare shape, upright, filling most of a square of that many pixels a side: true inside."""
    axis = (torch.arange(pixels) + 0.5) / pixels * 2.4 - 1.2
    up, right = torch.meshgrid(-axis, axis, indexing="ij")
    return DISTANCES[shape](right, up) < 0


def _circle(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 0.92


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.72).abs() - 0.24


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.82


def _diamond(x: Tensor, y: Tensor) -> Tensor:
    return (x.abs() / 0.72 + y.abs() / 1.08 - 1) * 0.6


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    """Upright, equal sides, its tip at 1.05 and its base at -0.75."""
    return torch.maximum(-0.75 - y, 0.866 * x.abs() + 0.5 * (y - 1.05))


def _cross(x: Tensor, y: Tensor) -> Tensor:
    across, along = x.abs(), y.abs()
    return torch.minimum(torch.maximum(across - 0.95, along - 0.32), torch.maximum(across - 0.32, along - 0.95))


def _star(x: Tensor, y: Tensor) -> Tensor:
    """Five points at 1.08, the notches at 0.45: folded into one tenth, a line from point to notch."""
    tenth = math.pi / 5
    angle = torch.atan2(x, y).abs()
    folded = (angle + tenth).remainder(2 * tenth) - tenth
    reach = torch.hypot(x, y)
    along, across = reach * folded.cos(), reach * folded.abs().sin()
    right, up = 0.45 * math.cos(tenth) - 1.08, 0.45 * math.sin(tenth)
    return (up * (along - 1.08) - right * across) / math.hypot(right, up)


def _heart(x: Tensor, y: Tensor) -> Tensor:
    """The exact distance of https://iquilezles.org/articles/distfunctions2d, moved to the middle."""
    scale = 1.75
    x, y = x.abs() / scale, (y + 0.95) / scale
    lobe = torch.hypot(x - 0.25, y - 0.75) - 2**0.5 / 4
    fold = 0.5 * (x + y).clamp(min=0)
    tip = torch.minimum(torch.hypot(x, y - 1), torch.hypot(x - fold, y - fold)) * torch.sign(x - y)
    return torch.where(x + y > 1, lobe, tip) * scale


DISTANCES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "ring": _ring,
    "diamond": _diamond,
    "cross": _cross,
}
