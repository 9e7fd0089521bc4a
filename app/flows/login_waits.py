"""Growing waits after wrong passwords: for the account in the database, for address and site in sliding windows."""

import math
from typing import Final

from app.auth.throttle import ADDRESS_LADDER, FORGET_AFTER, SITE_CEILING, Failures, network_of, one_more, still_to_wait
from app.domain.errors import RateLimitedError
from app.domain.people import Origin
from app.flows.studio import Studio
from app.store.transaction import Transaction

SITE: Final = "login-failures"
ADDRESS: Final = "login-failures-of"
TOLD: Final = "login-waits-told"
MOST_TOLD: Final = 60


class TooSoonError(RateLimitedError):
    """`whose` names the limit: the site's, an address's or an account's."""

    def __init__(self, whose: str, retry_after: int) -> None:
        self.whose = whose
        super().__init__(retry_after=retry_after)


def require_from(studio: Studio, origin: Origin) -> None:
    """Raises TooSoonError while the site, or whoever comes from there, must wait."""
    network = network_of(origin.ip_address)
    try:
        studio.rates.require(SITE, "", SITE_CEILING)
    except RateLimitedError as error:
        raise TooSoonError(SITE, error.retry_after) from None
    for most, minutes in ADDRESS_LADDER if network else ():
        try:
            studio.rates.require(ADDRESS, network, most, minutes)
        except RateLimitedError as error:
            raise TooSoonError(network, error.retry_after) from None


def attempt(studio: Studio, account: str) -> None:
    """Count a try as failed until `succeeded` takes it back, so that tries at the same time count each other.

    Raises TooSoonError while the account must wait; such a try does not count.
    """
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
        raise TooSoonError(account, math.ceil(left))


def failed(studio: Studio, origin: Origin) -> None:
    """The try stays counted for the account; count it for its address and the site too."""
    network = network_of(origin.ip_address)
    studio.rates.count(SITE, "", SITE_CEILING)
    for most, minutes in ADDRESS_LADDER if network else ():
        studio.rates.count(ADDRESS, network, most, minutes)


def succeeded(tx: Transaction, account: str, studio: Studio) -> None:
    """In the transaction of what succeeded: the account's failures are forgotten, and everybody's old ones."""
    tx.failures.forget(account)
    tx.failures.purge(studio.clock.now() - FORGET_AFTER)


def is_news(studio: Studio, refused: TooSoonError) -> bool:
    """Whether the trail should tell of this refusal: once a minute for each limit, however many names are tried."""
    return studio.rates.count(TOLD, refused.whose, 1) and studio.rates.count(TOLD, "", MOST_TOLD)
