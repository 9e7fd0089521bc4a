"""The arithmetic of the fair order, against what start-time fair queueing promises."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.scheduler.fairness import SCALE, InTurn, Turn, Waiting, new_turns, next_turn, order_of_service

WORK = st.integers(256 * 256, 2048 * 2048 * 50 * 4)
WEIGHT = st.integers(1, 100)


@dataclass(frozen=True)
class Click:
    """In the queue: sorted as the database sorts it."""

    turn: Turn
    seq: int
    who: int
    work: int
    bulk: bool = False


@dataclass
class Queue:
    """The real arithmetic around lists instead of tables. `weights` by person."""

    weights: Sequence[int]
    now: int = 0
    waiting: list[Click] = field(default_factory=list)
    served: list[Click] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers = itertools.count(1)
        self.until: Counter[tuple[int, bool]] = Counter()
        self.last: Counter[int] = Counter()

    def submit(self, who: int, work: int, *, bulk: bool = False) -> Click:
        mine = [each.turn.finish for each in self.waiting if (each.who, each.bulk) == (who, bulk)]
        turn = next_turn(
            now=self.now,
            served_until=max([self.until[who, bulk], *mine]),
            work=work,
            weight=self.weights[who],
            bulk=bulk,
        )
        click = Click(turn, next(self.numbers), who, work, bulk)
        self.waiting.append(click)
        return click

    def serve(self) -> Click:
        first = min(self.waiting, key=lambda each: (each.turn.start, self.last[each.who], each.seq))
        self.waiting.remove(first)
        self.served.append(first)
        self.now = max(self.now, first.turn.start)
        self.until[first.who, first.bulk] = max(self.until[first.who, first.bulk], first.turn.finish)
        self.last[first.who] = len(self.served)
        return first


@given(
    weights=st.tuples(WEIGHT, WEIGHT),
    works=st.lists(st.tuples(WORK, WORK), min_size=2, max_size=40),
    cut=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_two_people_who_both_wait_never_drift_further_apart_than_the_bound(
    weights: tuple[int, int], works: list[tuple[int, int]], cut: tuple[int, int]
) -> None:
    """|W1/w1 - W2/w2| <= max1/w1 + max2/w2 over any time in which both wait (Goyal et al. 1996, theorem 1)."""
    queue = Queue(weights)
    for pair in works:
        for who, work in enumerate(pair):
            queue.submit(who, work)
    while {each.who for each in queue.waiting} == {0, 1}:
        queue.serve()
    begin, end = sorted(min(place, len(queue.served)) for place in cut)
    got = [Fraction(), Fraction()]
    for click in queue.served[begin:end]:
        got[click.who] += Fraction(click.work, weights[click.who])
    # One part in SCALE for each rounded turn.
    bound = sum(Fraction(max(pair[who] for pair in works), weights[who]) for who in (0, 1)) + Fraction(
        len(works), SCALE
    )
    assert abs(got[0] - got[1]) <= bound


@settings(max_examples=8)
@given(weights=st.lists(WEIGHT, min_size=2, max_size=5), chance=st.randoms(use_true_random=False))
def test_shares_become_the_weights(weights: list[int], chance: object) -> None:
    """As long as all wait, and to within five per cent once everybody has had many turns."""
    queue, works = Queue(weights), [512 * 512 * 8, 1024 * 1024 * 8, 768 * 768 * 8]
    for who in range(len(weights)):
        queue.submit(who, works[0])
    got = Counter[int]()
    while min(got[who] for who in range(len(weights))) < 80 * max(works) or sum(got.values()) < 10**9:
        click = queue.serve()
        got[click.who] += click.work
        queue.submit(click.who, chance.choice(works))  # type: ignore[attr-defined]  # random.Random
    whole, weight = sum(got.values()), sum(weights)
    for who, mine in enumerate(weights):
        assert got[who] / whole == pytest.approx(mine / weight, rel=0.05)


@given(st.lists(st.one_of(st.integers(0, 4), st.just("serve")), max_size=80))
def test_with_equal_weights_and_work_nobody_is_served_twice_before_another_who_waits(moves: list[int | str]) -> None:
    queue = Queue([1] * 5)
    since: dict[int, Counter[int]] = {}  # who waits, and how often others were served meanwhile
    for move in moves:
        if isinstance(move, int):
            queue.submit(move, 1_000)
            since.setdefault(move, Counter())
        elif queue.waiting:
            served = queue.serve().who
            del since[served]
            if any(each.who == served for each in queue.waiting):
                since[served] = Counter()
            for who, times in since.items():
                if who != served:
                    times[served] += 1
                    assert times[served] <= 1


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=20),
    st.integers(0, 60),
)
def test_a_newcomer_waits_for_one_turn_of_each_other_person_at_most(
    hogs: list[tuple[int, int]], served_before: int
) -> None:
    queue = Queue([1] * (len(hogs) + 1))
    for who, (jobs, _) in enumerate(hogs):
        for _ in range(jobs):
            queue.submit(who, 1_000)
    for _ in range(min(served_before, len(queue.waiting) - 1)):
        queue.serve()
    others = {each.who for each in queue.waiting}
    mine = queue.submit(len(hogs), 1_000)
    for _ in range(len(others)):
        if queue.serve() is mine:
            return
    assert queue.serve() is mine


@given(WEIGHT, WORK, WEIGHT, st.lists(WORK, min_size=1, max_size=5), st.booleans())
def test_nobody_starves_however_much_another_asks_for(
    my_weight: int,
    my_work: int,
    weight: int,
    works: list[int],
    bulk: bool,  # noqa: FBT001 - hypothesis names them
) -> None:
    queue = Queue([weight, my_weight])
    queue.submit(0, works[0])
    mine = queue.submit(1, my_work, bulk=bulk)
    fed, passed = itertools.cycle(works), 0
    while (served := queue.serve()) is not mine:
        passed += served.work * SCALE // weight
        # Before my turn begins nobody gets more than lies between then and now, and the turn that was begun.
        assert passed <= mine.turn.start + max(works) * SCALE
        queue.submit(0, next(fed))


@given(
    moves=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from([1_000, 2_000]), st.booleans()), min_size=1, max_size=40
    ),
    served=st.integers(0, 20),
)
def test_the_order_that_is_told_is_the_order_of_service(moves: list[tuple[int, int, bool]], served: int) -> None:
    """Also where turns tie, and each one who is served goes behind the others."""
    queue = Queue([1] * 5)
    for who, work, bulk in moves:
        queue.submit(who, work, bulk=bulk)
    for _ in range(min(served, len(moves) - 1)):
        queue.serve()
    known = sorted(queue.waiting, key=lambda each: (each.turn.start, queue.last[each.who], each.seq))
    turns = [InTurn(each.turn.start, each.who, queue.last[each.who], each.seq) for each in known]
    told = [known[place] for place in order_of_service(turns)]
    assert told == [queue.serve() for _ in range(len(known))]


def test_bulk_work_of_one_person_yields_to_everybodys_clicks_and_still_gets_a_tenth() -> None:
    queue = Queue([1, 1])
    for _ in range(300):
        queue.submit(0, 1_000)
        queue.submit(1, 1_000, bulk=True)
    first = [queue.serve() for _ in range(220)]
    assert 18 <= sum(click.bulk for click in first) <= 22


def test_not_even_the_first_bulk_job_passes_by_a_second_click() -> None:
    queue = Queue([1, 1])
    bulk = queue.submit(0, 100_000, bulk=True)
    clicks = [queue.submit(who, 1_000) for who in (0, 1) * 4]
    assert [queue.serve() for _ in range(8)] == clicks
    assert queue.serve() is bulk


def test_a_click_of_mine_does_not_wait_for_my_bulk_work() -> None:
    queue = Queue([1])
    for _ in range(50):
        queue.submit(0, 1_000, bulk=True)
    queue.serve()
    mine = queue.submit(0, 1_000)
    assert queue.serve() is mine


def test_idle_time_saves_up_no_credit() -> None:
    queue = Queue([1, 1])
    for _ in range(100):
        queue.submit(0, 1_000)
        queue.serve()
    for who in (0, 1) * 3:
        queue.submit(who, 1_000)
    assert [queue.serve().who for _ in range(6)] == [1, 0, 1, 0, 1, 0]


TURNS = st.lists(st.tuples(st.integers(1, 10**6), st.booleans()), max_size=20)


@given(jobs=TURNS, gone=st.sets(st.integers(0, 19)), weight=WEIGHT, now=st.integers(0, 10**9), bulk=st.booleans())
def test_after_a_cancel_the_rest_moves_up_in_order_and_never_back(
    jobs: list[tuple[int, bool]],
    gone: set[int],
    weight: int,
    now: int,
    bulk: bool,  # noqa: FBT001 - as above
) -> None:
    until, waiting = 10**6, []
    for place, (work, begun) in enumerate(jobs):
        turn = next_turn(now=0, served_until=until, work=work, weight=weight, bulk=bulk)
        until = turn.finish
        if place not in gone:
            waiting.append(Waiting(work, turn, begun=begun))
    changed = dict(new_turns(waiting, now=now, served_until=10**6, weight=weight, bulk=bulk))
    after = [changed.get(place, job.turn) for place, job in enumerate(waiting)]
    assert all(turn.start <= job.turn.start for turn, job in zip(after, waiting, strict=True))
    assert not [place for place in changed if waiting[place].begun]
    mine = [turn for turn, job in zip(after, waiting, strict=True) if not job.begun]
    assert all(one.finish <= other.start for one, other in itertools.pairwise(mine))
    # Doing it again changes nothing.
    again = [Waiting(job.work, turn, begun=job.begun) for job, turn in zip(waiting, after, strict=True)]
    assert not list(new_turns(again, now=now, served_until=10**6, weight=weight, bulk=bulk))


def test_somebody_who_cancels_fifty_jobs_is_not_punished_for_them() -> None:
    first = next_turn(now=0, served_until=0, work=1_000, weight=1, bulk=False)
    last = Turn(49 * first.finish, 50 * first.finish)
    assert list(new_turns([Waiting(1_000, last)], now=0, served_until=0, weight=1, bulk=False)) == [(0, first)]


def test_a_smaller_weight_moves_what_waits_back_and_a_larger_one_brings_it_forward() -> None:
    turns = [Turn(0, 100_000), Turn(100_000, 200_000)]
    waiting = [Waiting(1_000, turn) for turn in turns]
    less = dict(new_turns([*waiting], now=0, served_until=0, weight=1, bulk=True))
    assert less == {0: Turn(1_000_000, 1_000_000), 1: Turn(2_000_000, 2_000_000)}
    more = dict(new_turns(waiting, now=0, served_until=0, weight=4, bulk=False))
    assert more == {0: Turn(0, 25_000), 1: Turn(25_000, 50_000)}
