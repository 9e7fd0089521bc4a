"""Session secrets and their lifetime. The row in the database is the authority; only a hash is stored."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

SEEN_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session lives without being used, and at most."""

    idle: timedelta
    absolute: timedelta


def new_secret() -> str:
    """256 bits, safe in a cookie."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Times:
    """When a session began, was last used, and ends by what was promised at the login."""

    created: datetime
    last_seen: datetime
    expires: datetime


def is_alive(now: datetime, times: Times, lifetime: Lifetime) -> bool:
    """`lifetime` is the one of the role that the person has now; the earlier end counts."""
    end = min(times.expires, times.created + lifetime.absolute, times.last_seen + lifetime.idle)
    return now < end


def worth_noting(now: datetime, last_seen: datetime) -> bool:
    """Whether the session's last use is old enough to be written again."""
    return now - last_seen >= SEEN_EVERY
