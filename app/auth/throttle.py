"""Growing waits after wrong passwords, as arithmetic. Only trying is delayed; an open session is never locked."""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FREE_FAILURES: Final = 5
LONGEST_WAIT: Final = timedelta(minutes=15)
FORGET_AFTER: Final = timedelta(hours=1)
# Failures of one address, within a window of minutes: more than an office mistypes, ever longer waits for the rest.
ADDRESS_LADDER: Final = ((20, 1), (40, 10), (80, 60))
# Failures of everybody together, a minute.
SITE_CEILING: Final = 300


@dataclass(frozen=True, slots=True)
class Failures:
    """Wrong tries in a row, and when the last of them was."""

    count: int
    last: datetime


def wait_after(failures: int) -> timedelta:
    """No wait for the first FREE_FAILURES, then 2, 4, 8 … seconds, at most LONGEST_WAIT."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES + 1, 12)), LONGEST_WAIT)


def still_to_wait(known: Failures | None, now: datetime) -> timedelta:
    """How long the next try has to wait; zero or less: not at all."""
    if known is None or now - known.last >= FORGET_AFTER:
        return timedelta(0)
    return known.last + wait_after(known.count) - now


def one_more(known: Failures | None, now: datetime) -> Failures:
    fresh = known is not None and now - known.last < FORGET_AFTER
    return Failures(known.count + 1 if known is not None and fresh else 1, now)


def account_key(name: str) -> str:
    """What stands for a name in the table of failures.

    People type their password into the name's field by mistake: 24 bits of a hash tell accounts apart, and are too
    few to find out what was typed.
    """
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:6]


def is_keyed(address: str) -> bool:
    """Whether failures are counted by this address. Behind a tunnel everybody comes from the loopback."""
    try:
        return not ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
