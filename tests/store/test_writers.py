"""SQLite's writers wait in line."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.domain.errors import UnavailableError
from app.store.writers import OneByOne
from tests.engine.waiting import wait_for


def waiting(line: OneByOne) -> int:
    return len(line._waiting)  # noqa: SLF001 - how many have come so far


def test_whoever_came_first_goes_first_and_alone() -> None:
    line, order, inside = OneByOne(), [], []

    def write(number: int) -> None:
        with line:
            inside.append(number)
            order.append(number)
            assert inside == [number]
            inside.clear()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    with line:
        for place, thread in enumerate(threads):
            thread.start()
            wait_for(lambda place=place: waiting(line) == place + 1)  # type: ignore[misc]
    for thread in threads:
        thread.join()
    assert order == list(range(20))


def test_a_mistake_inside_lets_the_next_one_in() -> None:
    line = OneByOne()
    with pytest.raises(ZeroDivisionError), line:
        raise ZeroDivisionError
    with line:
        assert waiting(line) == 0


def test_nobody_waits_for_ever_and_whoever_gave_up_is_not_waited_for() -> None:
    line = OneByOne(patience=0.05)
    with line:
        with ThreadPoolExecutor(1) as pool:
            refused = pool.submit(line.__enter__).exception(10)
        assert isinstance(refused, UnavailableError)
        assert waiting(line) == 0
    with line:
        assert waiting(line) == 0
