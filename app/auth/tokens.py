"""API tokens: `atl_<id>_<secret><checksum>`. The checksum lets secret scanners recognise a leak."""

import hashlib
import hmac
import ipaddress
import re
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

PREFIX: Final = "atl"
DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 365
MAX_NETWORKS: Final = 16
MOST_ALIVE: Final = 100
MAPPED_BITS: Final = 96  # of an IPv6 address that carries one of IPv4
KEPT_AFTER_THE_END: Final = timedelta(days=90)
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


def parse_network(text: str) -> str:
    """An address or a network, in its shortest form. Raises ValueError for anything else, or for everybody."""
    network = ipaddress.ip_network(text.strip(), strict=False)
    if isinstance(network, ipaddress.IPv6Network) and (mapped := network.network_address.ipv4_mapped) is not None:
        if network.prefixlen < MAPPED_BITS:
            raise ValueError
        network = ipaddress.ip_network((mapped, network.prefixlen - MAPPED_BITS), strict=False)
    if network.prefixlen == 0:
        raise ValueError
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address if single else network)


def may_come_from(networks: Sequence[str], address: str) -> bool:
    """Whether the list allows this address; an empty list allows any."""
    if not networks:
        return True
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(peer in ipaddress.ip_network(network) for network in networks)


def _checksum(parts: TokenParts) -> str:
    return f"{zlib.crc32(f'{parts.id}_{parts.secret}'.encode()):08x}"
