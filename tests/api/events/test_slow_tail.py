"""A client of the tail that does not read: it waits alone, and is cut off."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

import uvicorn

from core.http.protocol import HttpProtocol
from tests.api.events.test_tail import event
from tests.api.events.test_tail_route import Served
from tests.core.http.test_protocol import serving
from tests.core.http.test_slow_clients import BOUNDS, SETTINGS, look

REQUEST = b"GET /events/tail?per_second=200&seconds=3600 HTTP/1.1\r\nhost: x\r\n\r\n"


def connections_of(server: uvicorn.Server) -> list[HttpProtocol]:
    return [cast("HttpProtocol", each) for each in server.server_state.connections]


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  (what is waited for has no event)
        await asyncio.sleep(0.01)


async def at_rest(number: Callable[[], int]) -> int:
    """What it is once it has stayed the same for a while: buffers between sockets fill in steps."""
    same, seen = 0, number()
    while same < 30:
        await asyncio.sleep(0.01)
        same, seen = (same + 1 if number() == seen else 0), number()
    return seen


def test_a_client_that_reads_nothing_holds_nobody_up_and_is_cut_off() -> None:
    async def test() -> None:
        # Some 20 MB: more than the buffers between two sockets.
        served = Served(*[[event(object_id="o" * 500)] * 100] * 400)
        async with asyncio.timeout(120), serving(SETTINGS, served.app) as (server, port):
            with socket.socket() as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                deaf.connect(("127.0.0.1", port))
                deaf.sendall(REQUEST)
                await until(lambda: any(each._unread_since for each in connections_of(server)))
                (slow,) = served.followers
                left = await at_rest(lambda: len(slow._batches))
                assert left, "nothing more is read for it"

                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(REQUEST)
                await reader.readuntil(b"data: ")
                writer.close()

                look(server, BOUNDS.write_seconds - 1)
                assert len(slow._batches) == left
                assert not slow.is_closed
                look(server, BOUNDS.write_seconds + 1)
                await until(lambda: slow.is_closed)

    asyncio.run(test())
