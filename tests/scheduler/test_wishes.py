"""Each wish is carried out once, the newest last."""

import threading
from functools import partial

from app.scheduler.wishes import Wishes


def test_a_wish_is_taken_once_and_never_behind_a_later_one() -> None:
    done: list[int] = []
    wishes = Wishes()
    wishes.take(1, lambda: done.append(1))
    wishes.begin(1)
    for number in (1, 3, 2, 3, 4):
        wishes.take(number, partial(done.append, number))
    assert done == [3, 4]
    wishes.end()
    wishes.take(5, lambda: done.append(5))
    assert done == [3, 4]
    assert not wishes.begun


def test_of_many_threads_that_hear_of_a_wish_one_carries_it_out() -> None:
    done: list[int] = []
    wishes = Wishes()
    wishes.begin(0)
    start = threading.Barrier(8)

    def hear() -> None:
        start.wait(10)
        wishes.take(1, lambda: done.append(1))

    threads = [threading.Thread(target=hear) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [1]
