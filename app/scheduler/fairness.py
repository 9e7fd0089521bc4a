"""Start-time fair queueing, as plain arithmetic.

Each click gets a turn in virtual time: it begins where the person's last turn ended, but never in the past, and lasts
for work / weight. The queue runs in the order of these beginnings, so that whoever asks for much waits for those who
ask for little, and idle time saves up no credit. P. Goyal, H. Vin, H. Cheng, "Start-time Fair Queueing", SIGCOMM 1996.

All numbers are integers: people with equal work and weight must meet in ties, which go to the least recently served,
and no rounding may decide between them.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

# Virtual time per pixel-step at weight 1; weights divide it.
SCALE: Final = 100
# A job in bulk has this part of the person's weight, in a line of its own.
BULK_PART: Final = 10


@dataclass(frozen=True, slots=True)
class Turn:
    """When a job's turn begins and ends in virtual time."""

    start: int
    finish: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits: its size in pixel-steps, the turn it has, and whether it was begun before."""

    work: int
    turn: Turn
    begun: bool = False


def next_turn(*, now: int, served_until: int, work: int, weight: int, bulk: bool) -> Turn:
    """The turn of a new click. `now` is the virtual time, `served_until` the end of the person's last turn.

    In bulk it begins when it would be over: until then everybody who asks for a click is served.
    """
    start = max(now, served_until)
    finish = start + _span(work, weight, bulk=bulk)
    return Turn(finish if bulk else start, finish)


def new_turns(
    waiting: Sequence[Waiting], *, now: int, served_until: int, weight: int, bulk: bool
) -> Iterator[tuple[int, Turn]]:
    """The turns that one person's jobs of one class should have, by their place in `waiting`; changed ones only.

    After some were cancelled the rest moves up to where the person's served turns end, but not into the past; after
    the weight fell they move back. A job that was begun before keeps its turn: it has been counted.
    """
    for place, job in enumerate(waiting):
        if job.begun:
            continue
        best = next_turn(now=now, served_until=served_until, work=job.work, weight=weight, bulk=bulk)
        least = next_turn(now=0, served_until=served_until, work=job.work, weight=weight, bulk=bulk)
        start = max(least.start, min(job.turn.start, best.start))
        turn = Turn(start, start + best.finish - best.start)
        served_until = turn.finish
        if turn != job.turn:
            yield place, turn


@dataclass(frozen=True, slots=True)
class InTurn:
    """Where a waiting job stands in virtual time, whose it is, and the number of that person's last claim."""

    start: int
    owner: int
    last_served: int
    seq: int


def order_of_service(waiting: Sequence[InTurn]) -> list[int]:
    """The places in `waiting`, which is sorted by start, in the order in which they will be served if nobody comes.

    Whoever is served goes behind everybody else at the next tie.
    """
    served = {each.owner: each.last_served for each in waiting}
    number, order = max(served.values(), default=0), list[int]()
    for _, tied in itertools.groupby(range(len(waiting)), key=lambda place: waiting[place].start):
        left = list(tied)
        while left:
            left.sort(key=lambda place: (served[waiting[place].owner], waiting[place].seq))
            again, came = list[int](), set[int]()
            for place in left:
                if (owner := waiting[place].owner) in came:
                    again.append(place)
                    continue
                came.add(owner)
                number += 1
                served[owner] = number
                order.append(place)
            left = again
    return order


def _span(work: int, weight: int, *, bulk: bool) -> int:
    return max(1, work * SCALE * (BULK_PART if bulk else 1) // weight)
