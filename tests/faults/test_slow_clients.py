"""Five hundred clients that never finish, on a real edge: the others are served, they are ended."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from core.settings import HttpSettings, Limits
from tests.conftest import Corner
from tests.e2e.process_pair import ProcessPair

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

SLOW_CLIENTS = 500
HEAD_SECONDS = 4.0
BODY_SECONDS = 4.0
# The server looks once a second; a refused client has another one to read its answer.
GRACE_SECONDS = 20.0

# What is sent first, and what drips out of the client every half second.
DRIPS: dict[str, tuple[bytes, Callable[[int], bytes]]] = {
    "head": (b"POST /session HTTP/1.1\r\nHost: localhost\r\n", lambda n: b"X-%d: a\r\n" % n),
    "one header": (b"GET /livez HTTP/1.1\r\nX-A: ", lambda _: b"a"),
    "body": (
        b"POST /session/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n",
        lambda _: b" ",
    ),
    "chunks": (
        b"POST /session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        lambda _: b"1\r\n \r\n",
    ),
}


@pytest.fixture(scope="module")
def pair(corner: Corner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessPair]:
    bounds = {
        "http": HttpSettings(head_seconds=HEAD_SECONDS),
        "limits": Limits(body_seconds=BODY_SECONDS),
    }
    folder = tmp_path_factory.mktemp("slow")
    with corner(**bounds) as settings, ProcessPair(settings, folder) as running:
        yield running


class SlowClient:
    """One connection that drips until it is hung up on."""

    def __init__(self, port: int, first: bytes, drip: Callable[[int], bytes]) -> None:
        self._port = port
        self._first = first
        self._drip = drip
        self.said = b""

    async def run(self) -> None:
        """Returns when the server has ended it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        reading = asyncio.create_task(self._listen(reader))
        try:
            writer.write(self._first)
            for number in itertools.count():
                done, _ = await asyncio.wait([reading], timeout=0.5)
                if done:
                    break
                writer.write(self._drip(number))
            await reading
        except ConnectionError:
            pass  # hung up on while it was sending
        finally:
            reading.cancel()
            writer.transport.abort()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Piece by piece: what was said before a reset is not lost with it."""
        while piece := await reader.read(1_024):
            self.said += piece


@pytest.mark.parametrize("kind", DRIPS)
def test_others_are_served_and_the_slow_are_hung_up_on(pair: ProcessPair, kind: str) -> None:
    async def run() -> tuple[list[int], list[SlowClient]]:
        port = int(pair.url.rpartition(":")[2])
        clients = [SlowClient(port, *DRIPS[kind]) for _ in range(SLOW_CLIENTS)]
        statuses: list[int] = []
        async with asyncio.timeout(HEAD_SECONDS + BODY_SECONDS + GRACE_SECONDS + 30):
            slow = asyncio.gather(*(client.run() for client in clients))
            async with httpx.AsyncClient(base_url=pair.url, timeout=30) as http:
                while not slow.done():
                    statuses.append(await others(http, len(statuses), kind))
            await slow
        return statuses, clients

    statuses, clients = asyncio.run(run())
    assert len(statuses) >= 20
    assert set(statuses) == {200}
    if kind in ("body", "chunks"):
        answered = [client.said.split(b" ", 2)[1] for client in clients if client.said]
        assert set(answered) == {b"408"}
    edge = psutil.Process(pair.edge.pid)
    assert len(edge.net_connections("tcp")) < SLOW_CLIENTS


async def others(http: httpx.AsyncClient, number: int, kind: str) -> int:
    """What somebody else's request is answered meanwhile; every other one reads."""
    if number % 2:
        return (await http.get("/livez")).status_code
    event = {"event_id": str(number), "object_id": "o"}
    body = {"session_id": f"beside slow {kind}", "events": [event]}
    return (await http.post("/session/events", json=body)).status_code
