"""`OpenConnections`: how many connections one process has, and how many of one client."""

from __future__ import annotations

from collections import Counter

from core.errors import Overloaded
from core.http.client_address import ClientAddresses
from core.settings import HttpSettings

_EVERYBODY = ""


class OpenConnections:
    """Connections by client. Our proxies' bring many clients each, so they have no bound of their
    own. Used on one event loop."""

    def __init__(self, http: HttpSettings, addresses: ClientAddresses) -> None:
        self._most = http.connections
        self._most_of_client = max(1, int(http.connections * http.client_share))
        self._addresses = addresses
        self.total = 0
        self._clients: Counter[str] = Counter()

    def begin(self, peer: str) -> str:
        """Count a connection from this address; `end` takes what is returned.

        Raises Overloaded, and counts nothing, when it is one too many.
        """
        if self.total >= self._most:
            raise Overloaded(f"{self.total} connections are open: try again in a moment")
        client = _EVERYBODY if self._addresses.is_proxy(peer) else self._addresses.of(peer, {})
        if client != _EVERYBODY and self._clients[client] >= self._most_of_client:
            raise Overloaded(
                f"{self._clients[client]} connections of your address are open, as many as one"
                " client may have: try again in a moment"
            )
        self.total += 1
        self._clients[client] += 1
        return client

    def end(self, client: str) -> None:
        self.total -= 1
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]
