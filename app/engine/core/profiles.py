"""What a card can carry: one profile of choices for it. Plain decisions over a described card, without torch.

`auto` only takes what leaves the picture as it is; profiles that round weights otherwise are taken when named. Sizes of
weights were counted, those of work in progress are estimates (docs/decisions/0007-profiles.md).
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

AUTO: Final = "auto"
CPU: Final = "cpu"
NAMES: Final = (AUTO, "24gb", "24gb-fp8", "16gb", "12gb-fp8", "8gb", CPU)

# Below, bfloat16 is emulated slowly, and float16 gives NaN.
NATIVE_BFLOAT16: Final = (8, 0)
# cuDNN's attention is the faster one there; on Ampere it is slower, on Ada the same.
CUDNN_ATTENTION: Final = frozenset({(9, 0), (10, 0)})
LARGEST_SIDE: Final = 2048
SIDES: Final = (LARGEST_SIDE, 1536, 1024, 768, 512)
# Bytes a pixel in bfloat16 while all is at work at once.
STEP_BYTES: Final = 640
DECODE_BYTES: Final = 2000
ORDINARY: Final = 1024 * 1024
# Each is made once before the first person waits for it: width, height.
USUAL_SIZES: Final = (
    (512, 512),
    (768, 768),
    (1024, 1024),
    (1216, 832),
    (832, 1216),
    (1344, 768),
    (768, 1344),
)
SHARED_BY_GPU: Final = 4
# Bytes of a transformer; a smaller one is not worth the minute before it is ready.
WORTH_COMPILING: Final = 10**9


class Placement(StrEnum):
    """Where weights are: all on the device; text encoder and transformer there by turns; or block after block."""

    RESIDENT = "resident"
    BY_PART = "by part"
    BY_BLOCK = "by block"


class Rounding(StrEnum):
    """What weights are rounded to, beyond the dtype."""

    NONE = "none"
    FP8_PRODUCTS = "fp8 products"
    FP8_STORAGE = "fp8 storage"


@dataclass(frozen=True, slots=True)
class Card:
    """A device: bytes of its memory, and CUDA's compute capability, None for a CPU."""

    name: str
    capability: tuple[int, int] | None = None
    total: int = 0
    free: int = 0

    @property
    def dtype(self) -> str:
        return "bfloat16" if self.capability is not None and self.capability >= NATIVE_BFLOAT16 else "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Bytes of the parts in bfloat16."""

    transformer: int
    text_encoder: int
    vae: int


TURBO: Final = Weights(transformer=12_310_000_000, text_encoder=7_840_000_000, vae=170_000_000)
DEMO: Final = Weights(transformer=20_000_000, text_encoder=2_000_000, vae=2_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Every choice about the card. `tiled_above` pixels a picture is decoded in tiles; `warm` sizes are made once
    before `ready`; `most` pictures of up to 512x512 share a step."""

    name: str
    dtype: str
    placement: Placement = Placement.RESIDENT
    rounding: Rounding = Rounding.NONE
    text_encoder_4bit: bool = False
    attention: tuple[str, ...] = ("native",)
    compiled: bool = False
    channels_last: bool = False
    tiled_above: int = LARGEST_SIDE**2
    largest_side: int = LARGEST_SIDE
    most: int = 1
    warm: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Need:
    """What a named profile cannot do without, and what is taken instead."""

    package: str
    capability: tuple[int, int]
    instead: str


NEEDS: Final = {
    "24gb-fp8": Need("torchao", (8, 9), "24gb"),
    "12gb-fp8": Need("bitsandbytes", (8, 0), "8gb"),
}
LOWER: Final = {"24gb": "16gb", "24gb-fp8": "16gb", "16gb": "8gb", "12gb-fp8": "8gb"}


def is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def choose(
    wanted: str, card: Card, weights: Weights = TURBO, has: Callable[[str], bool] = is_installed
) -> tuple[Profile, str]:
    """The profile for this card, and what the wanted one lacks if it is another, as an administrator knows it."""
    name, lacking = wanted, ""
    if card.capability is None:
        return _profile(CPU, card, weights), "" if wanted in {AUTO, CPU} else "CUDA"
    if wanted == AUTO:
        return _profile(_largest(card, weights), card, weights), ""
    if (need := NEEDS.get(wanted)) is not None:
        lacking = _lacking(need, card.capability, has)
        name = need.instead if lacking else wanted
    return _profile(name, card, weights), lacking


def _lacking(need: Need, capability: tuple[int, int], has: Callable[[str], bool]) -> str:
    if capability < need.capability:
        return f"compute capability {need.capability[0]}.{need.capability[1]}"
    return "" if has(need.package) else need.package


def lower(profile: Profile, card: Card, weights: Weights = TURBO) -> Profile | None:
    """The next that needs less of the card's memory and no other package."""
    name = LOWER.get(profile.name)
    return None if name is None else _profile(name, card, weights)


def _largest(card: Card, weights: Weights) -> str:
    """The first that leaves room for a picture of 1024x1024 beside its weights."""
    ordinary = ORDINARY * DECODE_BYTES * _width(card)
    for name in ("24gb", "16gb"):
        if _on_device(name, card, weights) + ordinary <= card.free:
            return name
    return "8gb"


def _on_device(name: str, card: Card, weights: Weights) -> int:
    """Bytes of weights that lie on the card at once, at most."""
    wide = _width(card)
    transformer, text_encoder, vae = (wide * part for part in (weights.transformer, weights.text_encoder, weights.vae))
    match name:
        case "24gb":
            return transformer + text_encoder + vae
        case "24gb-fp8":
            return weights.transformer // 2 + text_encoder + vae
        case "16gb":
            return max(transformer, text_encoder) + vae
        case "12gb-fp8":
            return weights.transformer // 2 + weights.text_encoder // 3 + vae
        case _:
            # Two blocks of thirty at a time, the one at work and the one on its way.
            return transformer // 15 + vae


def _width(card: Card) -> int:
    """float32 is twice as wide as bfloat16."""
    return 1 if card.dtype == "bfloat16" else 2


def _profile(name: str, card: Card, weights: Weights) -> Profile:
    if name == CPU:
        return Profile(name=CPU, dtype="float32")
    room = max(0, card.free - _on_device(name, card, weights))
    resident = name.startswith("24gb")
    compiled = resident and card.dtype == "bfloat16" and weights.transformer >= WORTH_COMPILING
    return Profile(
        name=name,
        dtype=card.dtype,
        placement={"16gb": Placement.BY_PART, "8gb": Placement.BY_BLOCK}.get(name, Placement.RESIDENT),
        rounding={"24gb-fp8": Rounding.FP8_PRODUCTS, "12gb-fp8": Rounding.FP8_STORAGE}.get(name, Rounding.NONE),
        text_encoder_4bit=name == "12gb-fp8",
        attention=("_native_cudnn", "native") if card.capability in CUDNN_ATTENTION else ("native",),
        compiled=compiled,
        channels_last=True,
        tiled_above=_side_within(room, DECODE_BYTES * _width(card)) ** 2,
        largest_side=_side_within(room, STEP_BYTES * _width(card)),
        most=SHARED_BY_GPU,
        warm=USUAL_SIZES if compiled else (),
    )


def _side_within(room: int, bytes_a_pixel: int) -> int:
    """The largest usual side whose square fits; the smallest is always tried."""
    return next((side for side in SIDES if side * side * bytes_a_pixel <= room), SIDES[-1])
