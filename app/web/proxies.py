"""Whose X-Forwarded-For and X-Forwarded-Proto are believed: configured proxies, nobody else."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

SCHEMES: Final = frozenset({"http", "https"})
# Gradio would build its addresses out of these, whoever sent them; ours follow from the Host header.
IGNORED: Final = frozenset({b"x-forwarded-host", b"x-gradio-server"})
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """A list of networks. Raises ValueError for one that is none, or that is everybody."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(each) for each in networks)
        if any(network.prefixlen == 0 for network in self._networks):
            raise ValueError("trusted_proxies: everybody cannot be a trusted proxy")

    def trusted(self, scope: Scope) -> Scope:
        """The scope with the browser's address and scheme, if the peer is one of ours."""
        if not self.has(scope.get("client")):
            return _without(scope, IGNORED)
        headers = Headers(scope=scope)
        # Gradio reads the first scheme in that header, and would believe the browser.
        changed = _without(scope, IGNORED | {b"x-forwarded-proto"})
        addresses = [part.strip() for part in ",".join(headers.getlist("x-forwarded-for")).split(",") if part.strip()]
        # From the right: the last address that is not one of our own proxies is the one they saw.
        for address in reversed(addresses):
            if not _is_address(address):
                break
            changed["client"] = (address, 0)
            if not self._has(address):
                break
        # A proxy that adds its own line instead of replacing the browser's writes the last one.
        scheme = (headers.getlist("x-forwarded-proto") or [""])[-1].rpartition(",")[2].strip()
        if scheme in SCHEMES:
            changed["scheme"] = scheme
        return changed

    def has(self, client: Sequence[object] | None) -> bool:
        """Whether a scope's `client` is one of ours."""
        return client is not None and self._has(str(client[0]))

    def _has(self, address: str) -> bool:
        try:
            peer = ipaddress.ip_address(plain_address(address))
        except ValueError:
            return False
        return any(peer in network for network in self._networks if network.version == peer.version)


def _without(scope: Scope, names: frozenset[bytes]) -> Scope:
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in names]}


def plain_address(text: str) -> str:
    """IPv4 as such, also where a socket for both protocols writes it as IPv6."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return text if mapped is None else str(mapped)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
