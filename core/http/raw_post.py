"""A POST to a hot path, between its head and its answer: what the protocol keeps of it.

`PostCycle` stands where uvicorn's `RequestResponseCycle` stands for all other requests. The names
of its attributes are uvicorn's: the protocol's flow control, pipelining and shutdown use them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from core.http.admission import InFlight
from core.http.raw_response import Header, RawResponse
from core.http.request_id import request_id_of
from core.telemetry import NO_KEY

Post = Callable[[Mapping[bytes, bytes], bytes], Awaitable[RawResponse]]
"""Headers (lower-case names) and the whole body → the answer, or an error of `core.errors`.
Checks the media type itself; key, rate and size are checked before it is called."""


class _NobodyWaits:
    """In place of the event by which uvicorn wakes an application that waits for its body."""

    def set(self) -> None: ...


class PostCycle:
    """One request. `size` is the length of its body, as announced."""

    __slots__ = (
        "added",
        "body",
        "caller",
        "disconnected",
        "expects_100",
        "handle",
        "headers",
        "held",
        "keep_alive",
        "more_body",
        "path",
        "request_id",
        "response_complete",
        "sees_positions",
        "size",
    )
    message_event: Final = _NobodyWaits()
    response_started: Final = False  # it is written as a whole

    def __init__(
        self,
        path: str,
        handle: Post,
        headers: Mapping[bytes, bytes],
        size: int,
        keep_alive: bool,
    ) -> None:
        self.path = path
        self.handle = handle
        self.headers = headers
        self.size = size
        self.keep_alive = keep_alive
        self.expects_100 = headers.get(b"expect", b"").lower() == b"100-continue"
        self.body = b""
        self.more_body = True
        self.held: InFlight | None = None  # once admitted; it starts when its body is here
        self.disconnected = False
        self.response_complete = False
        self.caller = NO_KEY  # the name of its key, once that is checked
        self.sees_positions = True
        self.request_id = request_id_of(headers)
        self.added: tuple[Header, ...] = ()
