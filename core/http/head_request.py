"""`HeadOnly`: HEAD as GET without a body (RFC 9110, 9.3.2), for every route that has a GET."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Send


class HeadOnly:
    """`receive` and `send` of an application that takes the request for a GET.

    The response ends with its head. A stream is then told that the client has left, so that it ends
    too.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_asked = False
        self._is_answered = asyncio.Event()

    async def receive(self) -> Message:
        if not self._is_asked:
            self._is_asked = True
            return await self._receive()
        await self._is_answered.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
            await self._send({"type": "http.response.body", "body": b""})
            self._is_answered.set()
