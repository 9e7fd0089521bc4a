"""API tokens: `atl_<id>_<secret><checksum>`. The checksum lets secret scanners recognise a leak."""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "atl"
DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 365
_FORM: Final = re.compile(r"atl_([0-9a-f]{12})_([A-Za-z0-9_-]{43})([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class TokenParts:
    id: str
    secret: str


def mint() -> tuple[str, TokenParts]:
    """A new token as the person gets it, and its parts."""
    parts = TokenParts(secrets.token_hex(6), secrets.token_urlsafe(32))
    return f"{PREFIX}_{parts.id}_{parts.secret}{_checksum(parts)}", parts


def parse(token: str) -> TokenParts | None:
    """The parts of a well-formed token."""
    found = _FORM.fullmatch(token)
    if found is None:
        return None
    parts = TokenParts(found[1], found[2])
    return parts if _checksum(parts) == found[3] else None


def hash_of(parts: TokenParts) -> str:
    """A fast hash is right for a 256-bit secret."""
    return hashlib.sha256(parts.secret.encode()).hexdigest()


def matches(parts: TokenParts, stored_hash: str) -> bool:
    return hmac.compare_digest(hash_of(parts), stored_hash)


def _checksum(parts: TokenParts) -> str:
    return f"{zlib.crc32(f'{parts.id}_{parts.secret}'.encode()):08x}"
