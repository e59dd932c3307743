"""A TCP server of a test, on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

from clickstream.local.processes.ports import LOOPBACK, free_port

_CHUNK_BYTES = 65_536
# In which those who connect at the last moment are taken, and hung up on.
_ROUNDS = 5

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""One connection, to its end."""


class Listener:
    """Listens on a free port of loopback inside a `with` block."""

    def __init__(self, accept: Accept, context: ssl.SSLContext | None = None) -> None:
        """With a `context` clients have to speak TLS."""
        self.port = free_port()
        self._accept = accept
        self._context = context
        self._open: set[asyncio.StreamWriter] = set()
        self._listening = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="listener")

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._thread.join()

    async def _serve(self) -> None:
        stopped = asyncio.Event()
        self._stop = partial(asyncio.get_running_loop().call_soon_threadsafe, stopped.set)
        server = await asyncio.start_server(self._take, LOOPBACK, self.port, ssl=self._context)
        self._listening.set()
        await stopped.wait()
        # A server that is closed while it takes somebody loses that socket: it stops taking first.
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await self._hang_up()
        server.close()

    async def _take(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._open.add(to_client)
        try:
            await self._accept(client, to_client)
        finally:
            to_client.close()
            with contextlib.suppress(OSError):
                await to_client.wait_closed()
            self._open.discard(to_client)

    async def _hang_up(self) -> None:
        """Ends every connection, also one that is just being taken or speaks no TLS yet.

        One that is left to the end of the loop is a socket that nobody closes, and the garbage
        collector says so in whatever test runs by then.
        """
        this = asyncio.current_task()
        for _ in range(_ROUNDS):
            for to_client in self._open:
                to_client.transport.abort()
            others = asyncio.all_tasks() - {this}
            if not others:
                break
            await asyncio.wait(others, timeout=0.1)
        for left in asyncio.all_tasks() - {this}:
            left.cancel()
        await asyncio.sleep(0)


async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Everything from one to the other, until either side hangs up."""
    try:
        while chunk := await source.read(_CHUNK_BYTES):
            target.write(chunk)
            await target.drain()
    except OSError:
        pass  # the other side is told below
    finally:
        target.close()
