"""Tells whoever works on the queue at once that something changed; other processes through Redis, and losing it loses
nothing: they also poll."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import redis

from app.scheduler.dispatcher import Dispatcher
from app.scheduler.shortcut import Shortcut

log = logging.getLogger(__name__)

TIMEOUT: Final = 1.0
RETRY_SECONDS: Final = 5.0


class RedisSignals:
    """One channel for one installation. `on_signal` is called from the listening thread."""

    def __init__(self, redis_url: str, installation: str, on_signal: Callable[[], None]) -> None:
        """Raises ValueError for an address that is none."""
        self._client = redis.Redis.from_url(redis_url, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT)
        self._channel = f"atelier:{installation}:changed"
        self._on_signal = on_signal
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._quiet_until = 0.0

    def publish(self) -> None:
        """Never raises; after a failure Redis is left alone for a while, so that no click waits for it again."""
        if time.monotonic() < self._quiet_until:
            return
        try:
            self._client.publish(self._channel, b"")
        except redis.RedisError as error:
            self._quiet_until = time.monotonic() + RETRY_SECONDS
            log.warning("Redis cannot be reached (%s); other processes notice a little later", type(error).__name__)

    def listen(self) -> None:
        self._thread = threading.Thread(target=self._listen, name="redis-signals", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT)
        self._client.close()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._client.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
                    channel.subscribe(self._channel)
                    while not self._stopping.is_set():
                        if channel.get_message(timeout=TIMEOUT / 2) is not None:
                            self._on_signal()
            except redis.RedisError as error:
                log.warning("Redis cannot be reached (%s); trying again", type(error).__name__)
                self._stopping.wait(RETRY_SECONDS)


class Signal:
    """Ties the knot between parts that are made before those whom they call."""

    def __init__(self) -> None:
        self._dispatcher: Dispatcher | None = None
        self._shortcut: Shortcut | None = None
        self._others: RedisSignals | None = None

    def connect(self, dispatcher: Dispatcher, shortcut: Shortcut, others: RedisSignals | None) -> None:
        self._dispatcher, self._shortcut, self._others = dispatcher, shortcut, others

    def wake(self) -> None:
        """Something was committed that the queue wants to know, here and in other processes."""
        self.engine_changed()
        if self._others is not None:
            self._others.publish()

    def engine_changed(self) -> None:
        """The model is ready, or no longer; pages ask for that by themselves."""
        for thread in (self._shortcut, self._dispatcher):
            if thread is not None:
                thread.wake()
