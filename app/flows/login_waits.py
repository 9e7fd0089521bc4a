"""Growing waits after wrong passwords: for the account in the database, for address and site in moving windows."""

import math
from typing import Final

from app.auth.throttle import ADDRESS_LADDER, FORGET_AFTER, SITE_CEILING, Failures, is_keyed, one_more, still_to_wait
from app.domain.errors import RateLimitedError
from app.domain.people import Origin
from app.flows.studio import Studio
from app.store.transaction import Transaction

SITE: Final = "login-failures"
ADDRESS: Final = "login-failures-of"
TOLD: Final = "login-waits-told"


def attempt(studio: Studio, account: str, origin: Origin) -> None:
    """Count a try as failed until `succeeded` takes it back, so that tries at the same time count each other.

    Raises RateLimitedError while account, address or site must wait; such a try does not count.
    """
    studio.rates.require(SITE, "", SITE_CEILING)
    if is_keyed(origin.ip_address):
        for most, minutes in ADDRESS_LADDER:
            studio.rates.require(ADDRESS, origin.ip_address, most, minutes)
    now = studio.clock.now()

    def work(tx: Transaction) -> float:
        tx.failures.open(account, now)
        row = tx.failures.get(account)
        known = None if row is None or row.count == 0 else Failures(row.count, row.last_at)
        left = still_to_wait(known, now).total_seconds()
        if left <= 0:
            more = one_more(known, now)
            tx.failures.set(account, more.count, more.last)
        return left

    if (left := studio.store.write(work)) > 0:
        raise RateLimitedError(retry_after=math.ceil(left))


def failed(studio: Studio, origin: Origin) -> None:
    """The try stays counted for the account; count it for its address and the site too."""
    studio.rates.count(SITE, "", SITE_CEILING)
    if is_keyed(origin.ip_address):
        for most, minutes in ADDRESS_LADDER:
            studio.rates.count(ADDRESS, origin.ip_address, most, minutes)


def succeeded(tx: Transaction, account: str, studio: Studio) -> None:
    """In the transaction of what succeeded: the account's failures are forgotten, and everybody's old ones."""
    tx.failures.forget(account)
    tx.failures.purge(studio.clock.now() - FORGET_AFTER)


def is_news(studio: Studio, account: str) -> bool:
    """Whether the trail should tell of this refusal: one line a minute for each account is enough."""
    return studio.rates.count(TOLD, account, 1)
