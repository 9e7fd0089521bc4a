"""How often somebody may do something: sliding windows in memory, or in Redis for several servers."""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError

from app.domain.errors import RateLimitedError

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

TIMEOUT: Final = 0.5
QUIET_SECONDS: Final = 5.0


class Rates:
    """Thread-safe. Redis that is away is replaced by this process's memory: never by no limit."""

    def __init__(self, redis_url: str = "", installation: str = "") -> None:
        """`installation` keeps those that share a Redis apart. Raises ValueError for a Redis address that is none."""
        self._lock = threading.Lock()
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared: SlidingWindowCounterRateLimiter | None = None
        self._quiet_until = 0.0
        if redis_url:
            storage = RedisStorage(
                redis_url, key_prefix=f"atelier:{installation}", socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
            )
            self._shared = SlidingWindowCounterRateLimiter(storage)

    def spend(self, what: str, who: str, most: int, minutes: int = 1) -> None:
        """Count one use. Raises RateLimitedError when there were `most` within the last `minutes` already."""
        item = RateLimitItemPerMinute(most, minutes)
        if not self._ask(lambda limiter: limiter.hit(item, what, who)):
            raise self._refusal(item, what, who)

    def require(self, what: str, who: str, most: int, minutes: int = 1) -> None:
        """The same without counting."""
        item = RateLimitItemPerMinute(most, minutes)
        if not self._ask(lambda limiter: limiter.test(item, what, who)):
            raise self._refusal(item, what, who)

    def count(self, what: str, who: str, most: int, minutes: int = 1) -> bool:
        """Count one use; whether it was within the limit."""
        item = RateLimitItemPerMinute(most, minutes)
        return self._ask(lambda limiter: limiter.hit(item, what, who))

    def _refusal(self, item: RateLimitItemPerMinute, what: str, who: str) -> RateLimitedError:
        resets_at = self._ask(lambda limiter: limiter.get_window_stats(item, what, who)).reset_time
        return RateLimitedError(retry_after=max(1, math.ceil(resets_at - time.time())))

    def _ask(self, question: Callable[[SlidingWindowCounterRateLimiter], Answer]) -> Answer:
        if self._shared is not None and time.monotonic() >= self._quiet_until:
            try:
                return question(self._shared)
            except RedisError as error:
                self._quiet_until = time.monotonic() + QUIET_SECONDS
                log.warning("Redis cannot be reached (%s); rates are counted here alone", type(error).__name__)
        # One at a time: the library's own counting lets some of many at once go to waste.
        with self._lock:
            return question(self._local)
