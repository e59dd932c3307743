"""`InFlightLimit`: how many requests and body bytes one process works on at a time.

More is refused at once: it would wait, hold memory, and be answered after its caller has given up.
"""

from __future__ import annotations

from core.errors import Overloaded
from core.settings import HttpSettings

# Seconds. By then the requests now in flight are usually done.
_RETRY_SECONDS = 1


class InFlightLimit:
    """Requests, and bytes of their bodies. Used on one event loop."""

    def __init__(self, most_requests: int, most_bytes: int) -> None:
        self._most_requests = most_requests
        self._most_bytes = most_bytes
        self.requests = 0
        self.bytes = 0

    @classmethod
    def from_settings(cls, http: HttpSettings) -> InFlightLimit:
        return cls(http.requests_in_flight, http.bytes_in_flight)

    def begin(self, size: int = 0) -> None:
        """Count a request of which `size` bytes are here.

        Raises Overloaded, and counts nothing, when that is too much; one alone never is.
        """
        if self.requests >= self._most_requests or (
            self.bytes + size > self._most_bytes and self.requests
        ):
            raise self._overloaded()
        self.requests += 1
        self.bytes += size

    def grow(self, size: int) -> None:
        """Count more bytes of a request. Raises Overloaded, and counts nothing, if too many."""
        if self.bytes + size > self._most_bytes and self.requests > 1:
            raise self._overloaded()
        self.bytes += size

    def end(self, size: int) -> None:
        """Count a request no longer; `size` is the sum of its bytes."""
        self.requests -= 1
        self.bytes -= size

    def _overloaded(self) -> Overloaded:
        return Overloaded(
            f"{self.requests} requests with {self.bytes} bytes are under way, which is as much as"
            " this process takes on: try again in a moment",
            _RETRY_SECONDS,
        )
