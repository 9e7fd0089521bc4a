"""Growing waits after wrong passwords, for each account name and each address. A session is never locked."""

import ipaddress
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.domain.errors import RateLimitedError

FREE_FAILURES: Final = 5
FREE_FAILURES_OF_ADDRESS: Final = 20  # an office shares one address
LONGEST_WAIT: Final = timedelta(minutes=15)
FORGET_AFTER: Final = timedelta(hours=1)
MOST_KEYS: Final = 20_000


def wait_after(failures: int, free: int) -> timedelta:
    """No wait for the first `free` failures, then 2, 4, 8 … seconds, at most a quarter of an hour."""
    if failures < free:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - free + 1, 12)), LONGEST_WAIT)


@dataclass(slots=True)
class _Failures:
    count: int
    last: datetime
    told: int = 0


class LoginThrottle:
    """Counts failures in memory; bounded, forgets what is an hour old."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def attempt(self, account: str, address: str, now: datetime) -> None:
        """Count a try as failed until `succeeded` takes it back, so that tries at the same time count each other.

        Raises RateLimitedError while the account or the address must wait; such a try does not count.
        """
        with self._lock:
            left = max(self._left(key, free, now) for key, free in _keys(account, address))
            if left > timedelta(0):
                raise RateLimitedError(retry_after=math.ceil(left.total_seconds()))
            for key, _ in _keys(account, address):
                known = self._failures.pop(key, None)
                fresh = known is not None and now - known.last < FORGET_AFTER
                self._failures[key] = _Failures(known.count + 1 if known and fresh else 1, now)
            while len(self._failures) > MOST_KEYS:
                self._failures.popitem(last=False)

    def is_news(self, account: str) -> bool:
        """Whether this is the first refusal since the account's last counted try: one line in the trail is enough."""
        with self._lock:
            known = self._failures.get(("account", account))
            if known is None or known.told == known.count:
                return False
            known.told = known.count
            return True

    def succeeded(self, account: str, address: str) -> None:
        """The account's own failures are forgotten; the address loses only this try."""
        with self._lock:
            self._failures.pop(("account", account), None)
            known = self._failures.get(("address", address))
            if known is not None:
                known.count = max(0, known.count - 1)

    def _left(self, key: tuple[str, str], free: int, now: datetime) -> timedelta:
        known = self._failures.get(key)
        if known is None or now - known.last >= FORGET_AFTER:
            return timedelta(0)
        return known.last + wait_after(known.count, free) - now


def _keys(account: str, address: str) -> list[tuple[tuple[str, str], int]]:
    keys = [(("account", account), FREE_FAILURES)]
    # Behind a tunnel, or a proxy that nobody told us of, everybody comes from here.
    if not _is_loopback(address):
        keys.append((("address", address), FREE_FAILURES_OF_ADDRESS))
    return keys


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return True
