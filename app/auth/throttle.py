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
HOUSEHOLD: Final = 64
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
    if known is None or now - known.last >= FORGET_AFTER:
        return Failures(1, now)
    return Failures(known.count + 1, now)


def account_key(name: str) -> str:
    """What stands for a name in the table of failures.

    People type their password into the name's field by mistake: 24 bits of a hash tell accounts apart, and are too
    few to find out what was typed.
    """
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:6]


def network_of(address: str) -> str:
    """What failures are counted by: an address, or the network that one household has of IPv6.

    Empty for the loopback: behind a tunnel, or a proxy that nobody told us of, everybody comes from there.
    """
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if peer.is_loopback:
        return ""
    prefix = HOUSEHOLD if peer.version == 6 else peer.max_prefixlen  # noqa: PLR2004 - of the protocol
    return str(ipaddress.ip_network((peer, prefix), strict=False))
