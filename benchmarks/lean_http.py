"""A client that costs next to nothing, so that on two cores it is the servers that are measured.

HTTP/1.1 with keep-alive and Content-Length, one request at a time on each connection; enough for
the answers of our own edge, and for nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import msgspec

_LENGTH = b"content-length: "


class LeanWriter:
    """Posts over a fixed number of connections. Made by `lean_writer`."""

    def __init__(self, host: str, connections: list[_Connection]) -> None:
        self._host = host
        self._free: asyncio.Queue[_Connection] = asyncio.Queue()
        for connection in connections:
            self._free.put_nowait(connection)

    async def post(self, path: str, body: object) -> int:
        """The status of the answer. Raises ConnectionError when there is none."""
        content = msgspec.json.encode(body)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        connection = await self._free.get()
        try:
            return await connection.ask(head.encode() + content)
        finally:
            self._free.put_nowait(connection)


@asynccontextmanager
async def lean_writer(url: str, connections: int = 32) -> AsyncIterator[LeanWriter]:
    """A client of the server at `url`, an `http://host:port`."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    opened: list[_Connection] = []
    try:
        for _ in range(connections):
            _, connection = await loop.create_connection(
                _Connection, parts.hostname or "127.0.0.1", parts.port or 80
            )
            opened.append(connection)
        yield LeanWriter(parts.netloc, opened)
    finally:
        for connection in opened:
            connection.close()


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the connection was lost: {exc}"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._answer is None:
            return
        length = int(head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._received = b""
            self._answer.set_result(int(head[9:12]))

    async def ask(self, request: bytes) -> int:
        if self._transport is None:
            raise ConnectionError("the connection was lost")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
