"""The thread for jobs that need no engine: it comes when it is called, and outlives trouble."""

import threading

from app.domain.errors import UnavailableError
from app.scheduler.shortcut import Shortcut
from tests.engine.waiting import wait_for


def test_it_serves_when_woken_and_only_while_the_queue_is_ours() -> None:
    served, ours = threading.Event(), threading.Event()
    shortcut = Shortcut(ours.is_set, served.set)
    shortcut.start()
    shortcut.wake()
    assert not served.wait(0.1)
    ours.set()
    shortcut.wake()
    assert served.wait(5)
    shortcut.stop_serving()
    shortcut.join(5)


def test_a_database_that_is_away_ends_nothing() -> None:
    calls = []

    def serve() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise UnavailableError

    shortcut = Shortcut(lambda: True, serve)
    shortcut.start()
    wait_for(lambda: len(calls) >= 2)
    shortcut.stop_serving()
    shortcut.join(5)
    assert len(calls) >= 2


def test_one_that_was_never_started_can_be_stopped() -> None:
    calls: list[int] = []
    shortcut = Shortcut(lambda: True, lambda: calls.append(1))
    shortcut.stop_serving()
    shortcut.join(5)
    assert calls == []
