"""`ClientAddresses`: whose request it is, by the connection or by what our proxies say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from core.errors import SetupError

# An IPv6 client has 2^64 addresses to choose from: those of one network are one client.
_IPV6_CLIENT_BITS: Final = 64
# Per request this is asked again, for few clients most of the time.
_REMEMBERED: Final = 4_096


class ClientAddresses:
    """`trusted`: the networks of our proxies, whose X-Forwarded-For is believed."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        try:
            self._trusted = tuple(ip_network(network) for network in trusted)
        except ValueError as error:
            raise SetupError(
                f"CLICKSTREAM_HTTP__TRUSTED_PROXIES: {error}; write 10.0.0.0/8, or 10.0.0.7"
            ) from None
        self._client = lru_cache(_REMEMBERED)(self._client_uncached)

    def of(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        """The client's address; for IPv6 its network. `peer` is the address of the connection.

        X-Forwarded-For is read from its end, which the nearest proxy wrote: the client is the
        first address there that is none of our proxies. What stands before it can be made up.
        """
        forwarded = headers.get(b"x-forwarded-for", b"") if self._trusted else b""
        return self._client(peer, forwarded)

    def is_proxy(self, peer: str) -> bool:
        """Whether the connection is one of our proxies'."""
        return self._is_trusted(peer)

    def _client_uncached(self, peer: str, forwarded: bytes) -> str:
        found = peer
        for hop in (*reversed(forwarded.decode("latin-1").split(",")),):
            if not self._is_trusted(found) or not _is_address(hop.strip()):
                break
            found = hop.strip()
        return _network_of(found)

    def _is_trusted(self, text: str) -> bool:
        if not self._trusted or not _is_address(text):
            return False
        address = ip_address(text)
        return any(address in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _network_of(text: str) -> str:
    if not _is_address(text):
        return text
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address), _IPV6_CLIENT_BITS), strict=False))
    return str(address)
