"""Which child a job goes to. Plain decisions, without torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.domain.ports import EngineRequest
from app.engine.core import batching


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A child's own: `most` pictures share a step, one of `largest_side` squared fits; and what is at work there."""

    most: int = 1
    largest_side: int
    running: tuple[EngineRequest, ...] = ()

    def holds(self, request: EngineRequest) -> bool:
        return request.width * request.height <= self.largest_side**2


def place(rooms: Sequence[Room], request: EngineRequest) -> int | None:
    """The place of the child where a request begins at once: one that has nothing to do, else one whose pictures it may
    join; None where it would have to wait.

    Too large for all of them, it goes to the largest, which says why it cannot.
    """
    largest = max((room.largest_side for room in rooms), default=0)
    able = [at for at, room in enumerate(rooms) if room.holds(request) or room.largest_side == largest]
    for at in able:
        if not rooms[at].running:
            return at
    for at in able:
        if batching.has_room(rooms[at].running, request, rooms[at].most):
            return at
    return None


def with_all(rooms: Sequence[Room], begun: Iterable[EngineRequest]) -> list[Room]:
    """The rooms once these, which were claimed and are on their way, are at work too. What has no place joins the one
    with the least to do."""
    filled = list(rooms)
    for request in begun:
        at = place(filled, request)
        if at is None:
            at = min(range(len(filled)), key=lambda each: len(filled[each].running))
        filled[at] = replace(filled[at], running=(*filled[at].running, request))
    return filled
