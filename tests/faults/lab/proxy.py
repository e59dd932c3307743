"""A TCP proxy in front of ClickHouse that knows requests from answers, and can come in between.

It runs on a thread of its own, and decides when the whole head of a successful answer is here: then
ClickHouse has done what it was asked to, and the client does not know it yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import unquote_plus

from clickstream.local.processes.ports import LOOPBACK
from tests.listener import Listener

OnAnswer = Callable[[str], bool]
"""Called with the beginning of the request that ClickHouse has just done, its SQL included;
False cuts the connection."""

_CHUNK_BYTES = 64 * 1024
# Of a request, enough to hold its head and the statement, in the URL or in front of the body.
_KEPT_BYTES = 8 * 1024
_END_OF_HEAD = b"\r\n\r\n"


class Proxy(Listener):
    """Passes on what comes to it, and asks `on_answer` before it passes on an answer."""

    def __init__(self, upstream_port: int) -> None:
        super().__init__(self._pass)
        self.on_answer: OnAnswer = lambda _: True
        self._upstream_port = upstream_port

    async def _pass(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_connection(LOOPBACK, self._upstream_port)
        except OSError:
            to_client.transport.abort()
            return
        exchange = _Exchange(self._is_to_go_on)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(client, to_server, exchange.asked))
                group.create_task(_pass_on(server, to_client, exchange.answered))
        except* (OSError, _Cut):
            to_client.transport.abort()
            to_server.transport.abort()
        finally:
            to_client.close()
            to_server.close()

    def _is_to_go_on(self, request: str) -> bool:
        return self.on_answer(
            request
        )  # asked anew each time: it may be set while connections are open


class _Cut(Exception):
    """This connection ends here."""


class _Exchange:
    """HTTP/1.1 as ClickHouse's clients use it: one request, one answer, in turns."""

    def __init__(self, on_answer: OnAnswer) -> None:
        self._on_answer = on_answer
        self._request = b""
        self._head: bytes | None = None  # of the answer, as long as it is not whole

    def asked(self, data: bytes) -> bytes:
        """Bytes from the client; what to pass on."""
        if self._head is None:
            self._request, self._head = b"", b""
        if len(self._request) < _KEPT_BYTES:
            self._request += data[:_KEPT_BYTES]
        return data

    def answered(self, data: bytes) -> bytes:
        """Bytes from ClickHouse; what to pass on, nothing before the head is whole."""
        if self._head is None:
            return data
        self._head += data
        if _END_OF_HEAD not in self._head:
            return b""
        whole, self._head = self._head, None
        said = unquote_plus(self._request.decode("latin-1"))
        if whole.startswith(b"HTTP/1.1 200") and not self._on_answer(said):
            raise _Cut
        return whole


async def _pass_on(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, through: Callable[[bytes], bytes]
) -> None:
    while data := await source.read(_CHUNK_BYTES):
        if passed := through(data):
            target.write(passed)
            await target.drain()
    target.write_eof()
