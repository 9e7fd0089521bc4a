"""Redis between processes: it speeds things up, and nothing depends on it."""

import threading

import pytest

from app.scheduler.signals import RedisSignals
from tests.engine.waiting import wait_for


def test_another_process_hears_at_once_and_one_of_another_database_hears_nothing(redis_url: str) -> None:
    heard, foreign = threading.Event(), threading.Event()
    listening = RedisSignals(redis_url, "one", heard.set)
    other = RedisSignals(redis_url, "two", foreign.set)
    speaking = RedisSignals(redis_url, "one", lambda: None)
    listening.listen()
    other.listen()

    def speak_until_heard() -> bool:
        speaking.publish()
        return heard.is_set()

    wait_for(speak_until_heard)
    assert not foreign.is_set()
    for each in (listening, other, speaking):
        each.stop()


def test_a_missing_redis_delays_nobody_twice() -> None:
    signals = RedisSignals("redis://127.0.0.1:1/0", "one", lambda: None)
    signals.listen()
    for _ in range(50):
        signals.publish()
    signals.stop()
    assert signals._quiet_until > 0  # noqa: SLF001 - it noticed, and left Redis alone afterwards


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="scheme"):
        RedisSignals("http://127.0.0.1", "one", lambda: None)
