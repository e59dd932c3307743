"""A TCP server of a test, on a thread of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

from clickstream.processes.ports import LOOPBACK, free_port

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""One connection, to its end."""


class Listener:
    """Listens on a free port of loopback inside a `with` block."""

    def __init__(self, accept: Accept, context: ssl.SSLContext | None = None) -> None:
        """With a `context` clients have to speak TLS."""
        self.port = free_port()
        self._accept = accept
        self._context = context
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
        server = await asyncio.start_server(self._accept, LOOPBACK, self.port, ssl=self._context)
        self._listening.set()
        await stopped.wait()
        server.close()
