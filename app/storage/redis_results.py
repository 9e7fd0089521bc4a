"""Packed results in Redis, for several servers. Losing Redis loses nothing."""

import json
import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

import redis

from app.storage.seal import About

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

TIMEOUT: Final = 0.5
QUIET_SECONDS: Final = 5.0
KEPT_SECONDS: Final = 7 * 24 * 3600
MOST_BYTES: Final = 256 * 2**20


class RedisResults:
    """At most `most_bytes` of one installation, the least recently used gone first, nothing unused for a week.

    Never raises for a Redis that is away: then it is empty, and left alone for a while.
    """

    def __init__(self, redis_url: str, installation: str, *, most_bytes: int = MOST_BYTES) -> None:
        """Raises ValueError for an address that is none."""
        self._client = redis.Redis.from_url(redis_url, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT)
        self._prefix = f"atelier:{installation}:result"
        self._most = most_bytes
        self._quiet_until = 0.0
        # By name: when it was used last, and its size and what `About` says.
        self._used, self._told = f"{self._prefix}s:used", f"{self._prefix}s:told"

    def read(self, name: str) -> bytes | None:
        def work() -> bytes | None:
            with self._client.pipeline() as pipeline:
                pipeline.getex(self._key(name), ex=KEPT_SECONDS)
                pipeline.zadd(self._used, {name: time.time()}, xx=True)
                found: bytes | None = pipeline.execute()[0]
                return found

        return self._ask(work, None)

    def write(self, name: str, packed: bytes, of: About) -> None:
        told = json.dumps([len(packed), of.picture_id, of.user_id])

        def work() -> None:
            with self._client.pipeline() as pipeline:
                pipeline.set(self._key(name), packed, ex=KEPT_SECONDS)
                pipeline.hset(self._told, name, told)
                pipeline.zadd(self._used, {name: time.time()})
                pipeline.execute()
            self._make_room()

        if len(packed) <= self._most:
            self._ask(work, None)

    def drop(self, is_meant: Callable[[About], bool]) -> None:
        def work() -> None:
            self._remove([name for name, (_, of) in self._all().items() if is_meant(of)])

        self._ask(work, None)

    def drop_name(self, name: str) -> None:
        self._ask(lambda: self._remove([name]), None)

    def abouts(self) -> frozenset[About]:
        return self._ask(lambda: frozenset(of for _, of in self._all().values()), frozenset())

    def clear(self) -> None:
        """Raises redis.RedisError: what was not forgotten would be given again."""
        self._remove(list(self._all()))

    def close(self) -> None:
        self._client.close()

    def _make_room(self) -> None:
        """What Redis let go by its age is still counted until then, so this is at worst a little too much."""
        self._remove([_text(name) for name in self._client.zrangebyscore(self._used, 0, time.time() - KEPT_SECONDS)])
        total = sum(size for size, _ in self._all().values())
        while total > self._most and (oldest := self._client.zrange(self._used, 0, 0)):
            name = _text(oldest[0])
            total -= self._all().get(name, (0, None))[0]
            self._remove([name])

    def _all(self) -> dict[str, tuple[int, About]]:
        found = {}
        for name, told in self._client.hgetall(self._told).items():
            size, picture_id, user_id = json.loads(told)
            found[_text(name)] = (size, About(picture_id, user_id))
        return found

    def _remove(self, names: list[str]) -> None:
        if not names:
            return
        with self._client.pipeline() as pipeline:
            pipeline.delete(*(self._key(name) for name in names))
            pipeline.hdel(self._told, *names)
            pipeline.zrem(self._used, *names)
            pipeline.execute()

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    def _ask(self, work: Callable[[], Answer], otherwise: Answer) -> Answer:
        if time.monotonic() < self._quiet_until:
            return otherwise
        try:
            return work()
        except (redis.RedisError, ValueError, TypeError) as error:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            log.warning("Redis cannot be reached (%s); finished pictures are kept here alone", type(error).__name__)
            return otherwise


def _text(name: object) -> str:
    """Redis has octets, and the library's types allow for more."""
    return name.decode() if isinstance(name, bytes) else str(name)
