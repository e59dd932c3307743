"""The floor: an ASGI callable that reads the body and answers a constant, storing nothing."""

from __future__ import annotations

from typing import Final

from starlette.types import Message, Receive, Scope, Send

_BODY: Final = b'{"session_id":"sess-123","accepted":1}'
_START: Final[Message] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_BODY)).encode()),
    ],
}
_END: Final[Message] = {"type": "http.response.body", "body": _BODY}


async def app(_: Scope, receive: Receive, send: Send) -> None:
    """Any request, any path."""
    while (await receive()).get("more_body", False):
        pass
    await send(_START)
    await send(_END)
