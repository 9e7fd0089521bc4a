"""Which waiting pictures may share the transformer's next call. Plain decisions, without torch."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from app.domain.ports import EngineRequest
from app.engine.loras import Adapter

Item = TypeVar("Item")

# Pixels up to which so many pictures share a call; larger ones keep a GPU busy alone.
LIMITS: Final = ((512 * 512, 4), (768 * 768, 2))


@dataclass(frozen=True, slots=True)
class Shape:
    """What pictures of one call have in common: nothing is padded, so nobody pays for a neighbour.

    `alone` holds the picture's own mark for one that shares with nobody.
    """

    width: int
    height: int
    caption: int
    guided: int  # padded tokens of the negative prompt, 0 without guidance
    adapters: tuple[Adapter, ...] = ()  # they change the transformer itself, for everybody in the call
    alone: str = ""


def largest_batch(width: int, height: int, most: int) -> int:
    """How many pictures of this size share a call, at most `most`."""
    return min(most, next((count for pixels, count in LIMITS if width * height <= pixels), 1))


def has_room(running: Sequence[EngineRequest], request: EngineRequest, most: int) -> bool:
    """Whether all of them may be at work together; how long their captions are is known to the child alone."""
    together = [*running, request]
    alike = {(each.width, each.height, each.guidance_scale > 0, each.loras) for each in together}
    if len(alike) > 1 or any(each.exact or each.alone for each in together):
        return False
    return sum(len(each.pictures) for each in together) <= largest_batch(request.width, request.height, most)


def choose(waiting: Sequence[Item], present: Sequence[Item], shape: Callable[[Item], Shape], most: int) -> list[Item]:
    """Who joins those who are `present`, in the order of waiting.

    Nobody joins past one that cannot: those who are present are done some time, and then it leads.
    """
    if not waiting:
        return []
    leading = shape(present[0] if present else waiting[0])
    room = (1 if leading.alone else largest_batch(leading.width, leading.height, most)) - len(present)
    alike = itertools.takewhile if present else filter
    return list(alike(lambda item: shape(item) == leading, waiting))[: max(0, room)]
