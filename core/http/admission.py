"""`InFlightLimit`: how many requests and body bytes one process works on at a time, and how much of
that one client may have.

More is refused at once: it would wait, hold memory, and be answered after its caller has given up.
"""

from __future__ import annotations

from core.errors import Overloaded
from core.settings import HttpSettings

# Seconds. By then the requests now in flight are usually done.
_RETRY_SECONDS = 1


class InFlightLimit:
    """Requests, and bytes of their bodies. Used on one event loop.

    Bytes count when they are here, not when they are announced: who sends nothing holds nothing.
    One request alone is never too large.
    """

    def __init__(self, most_requests: int, most_bytes: int, client_share: float = 1.0) -> None:
        self._most = _Use(most_requests, most_bytes)
        self._most_of_client = _Use(
            max(1, int(most_requests * client_share)), int(most_bytes * client_share)
        )
        self._all = _Use()
        self._clients: dict[str, _Use] = {}

    @classmethod
    def from_settings(cls, http: HttpSettings) -> InFlightLimit:
        return cls(http.requests_in_flight, http.bytes_in_flight, http.client_share)

    @property
    def requests(self) -> int:
        return self._all.requests

    @property
    def bytes(self) -> int:
        return self._all.bytes

    def begin(self, client: str = "", announced: int = 0, here: int = 0) -> InFlight:
        """Count a request of `client`, of which `here` bytes of `announced` have come.

        Raises Overloaded, and counts nothing, when all that is announced would be too much.
        """
        every, most = self._all, self._most
        if every.requests >= most.requests or (
            every.requests and every.bytes + announced > most.bytes
        ):
            raise _overloaded(every, "this process takes on")
        use, most = self._clients.get(client), self._most_of_client
        if use is None:
            use = self._clients[client] = _Use()
        elif use.requests >= most.requests or use.bytes + announced > most.bytes:
            raise _overloaded(use, "one client address may have")
        every.requests += 1
        every.bytes += here
        use.requests += 1
        use.bytes += here
        return InFlight(self, client, use, here)

    def _grow(self, use: _Use, size: int) -> None:
        every = self._all
        if every.bytes + size > self._most.bytes and every.requests > 1:
            raise _overloaded(every, "this process takes on")
        if use.bytes + size > self._most_of_client.bytes and use.requests > 1:
            raise _overloaded(use, "one client address may have")
        every.bytes += size
        use.bytes += size

    def _end(self, client: str, use: _Use, size: int) -> None:
        every = self._all
        every.requests -= 1
        every.bytes -= size
        use.requests -= 1
        use.bytes -= size
        if not use.requests:
            del self._clients[client]


class InFlight:
    """One request in progress, until `end` or the end of its `with`."""

    __slots__ = ("_client", "_limit", "_size", "_use")

    def __init__(self, limit: InFlightLimit, client: str, use: _Use, size: int) -> None:
        self._limit = limit
        self._client = client
        self._use = use
        self._size = size

    def __enter__(self) -> InFlight:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def grow(self, size: int) -> None:
        """Count more bytes. Raises Overloaded, and counts nothing, if too many."""
        self._limit._grow(self._use, size)
        self._size += size

    def end(self) -> None:
        """Count it no longer. To be called once."""
        self._limit._end(self._client, self._use, self._size)


class _Use:
    """What is in progress, or may be."""

    __slots__ = ("bytes", "requests")

    def __init__(self, requests: int = 0, size: int = 0) -> None:
        self.requests = requests
        self.bytes = size


def _overloaded(use: _Use, who: str) -> Overloaded:
    return Overloaded(
        f"{use.requests} requests with {use.bytes} bytes are in progress, as much as {who}: try"
        " again in a moment",
        _RETRY_SECONDS,
    )
