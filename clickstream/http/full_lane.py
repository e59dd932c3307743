"""`FullLane`: a connection served by uvicorn and the application, with the bounds that uvicorn
leaves to a proxy: how long and how large the head of a request may be."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# A client that has not sent its headers by then, seconds, is hung up on. Longer than the 60 s for
# which load balancers commonly keep idle connections, so that they hang up first.
HEAD_SECONDS: Final = 75.0
# Request line and headers, bytes. Browsers with all their cookies send some 8 KiB.
HEAD_BYTES: Final = 64 * 1024

_UPGRADE: Final = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class FullLane(HttpToolsProtocol):
    """uvicorn's protocol. `look` is to be called every second or so."""

    _head_since: float | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_head()

    def data_received(self, data: bytes) -> None:
        if self._head_since is not None:
            data = _without_upgrade(data)
        super().data_received(data)
        self._head_bytes += len(data)
        if self._head_since is not None and self._head_bytes > HEAD_BYTES:
            self.send_400_response(f"The head of a request may have {HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_since = None

    def on_response_complete(self) -> None:
        """A refusal may be sent before the body is read: what follows is no next request."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self.transport.close()

    def look(self, now: float) -> None:
        """Hang up on a client that is too slow; `now` is the event loop's time."""
        if self._head_since is not None and now - self._head_since > HEAD_SECONDS:
            self.transport.close()

    def _begin_head(self) -> None:
        self._head_since = self.loop.time()
        self._head_bytes = 0


def _without_upgrade(data: bytes) -> bytes:
    """Decline an upgrade by not seeing it (RFC 9110, 7.8). Java's client offers HTTP/2 on each new
    connection, and httptools takes a request that offers an upgrade to have no body."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head) + end + rest if end else data
