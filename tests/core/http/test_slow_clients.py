"""Clients that are slow to ask or to read, and heads without end, by the protocols' own clock."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from core.http.protocol import HttpProtocol
from core.settings import HttpSettings, Settings
from tests.core.http.test_protocol import Client, request, serving

BOUNDS = HttpSettings(
    head_bytes=2_000, url_bytes=500, head_seconds=5, idle_seconds=50, write_seconds=20
)
SETTINGS = Settings(_env_file=None, http=BOUNDS)


async def settle() -> None:
    """Let what was sent arrive."""
    await asyncio.sleep(0.1)


def the_protocol(server: uvicorn.Server) -> HttpProtocol:
    (protocol,) = server.server_state.connections
    assert isinstance(protocol, HttpProtocol)
    return protocol


def look(server: uvicorn.Server, seconds_later: float) -> None:
    """What the server does every second, as if so much time had passed."""
    for protocol in list(server.server_state.connections):
        assert isinstance(protocol, HttpProtocol)
        protocol.enforce_timeouts(asyncio.get_running_loop().time() + seconds_later)


@asynccontextmanager
async def connected(settings: Settings = SETTINGS) -> AsyncIterator[tuple[Client, uvicorn.Server]]:
    """A server and one client of it."""
    async with asyncio.timeout(20), serving(settings) as (server, port):
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        try:
            yield client, server
        finally:
            client.writer.close()


@pytest.mark.parametrize("begun", [b"GET / HT", b"POST /hot HTTP/1.1\r\nX-Tag: a\r\nX-"])
@pytest.mark.parametrize("before", [b"", request(b"a"), request(b"", line="GET / HTTP/1.1")])
def test_a_head_has_to_come_within_its_time(before: bytes, begun: bytes) -> None:
    async def act() -> None:
        async with connected() as (client, server):
            if before:
                await client.ask(before)
            client.writer.write(begun)
            await settle()
            look(server, BOUNDS.head_seconds - 1)
            assert not client.reader.at_eof()
            look(server, BOUNDS.head_seconds + 1)
            assert await client.is_closed()

    asyncio.run(act())


def test_a_connection_that_never_asks_ends_as_soon_as_one_that_never_ends_its_head() -> None:
    async def act() -> None:
        async with connected() as (client, server):
            await settle()
            look(server, BOUNDS.head_seconds - 1)
            assert not client.reader.at_eof()
            look(server, BOUNDS.head_seconds + 1)
            assert await client.is_closed()

    asyncio.run(act())


@pytest.mark.parametrize("drip", [b"", b"\r\n"])
@pytest.mark.parametrize("line", ["POST /hot HTTP/1.1", "GET / HTTP/1.1"])
def test_silence_between_requests_ends(line: str, drip: bytes) -> None:
    async def act() -> None:
        async with connected() as (client, server):
            await client.ask(request(b"", line=line))
            client.writer.write(drip)
            await settle()
            look(server, BOUNDS.idle_seconds - 1)
            assert not client.reader.at_eof()
            look(server, BOUNDS.idle_seconds + 1)
            assert await client.is_closed()

    asyncio.run(act())


@pytest.mark.parametrize("line", ["POST /hot HTTP/1.1", "POST /large HTTP/1.1"])
def test_a_client_that_reads_nothing_is_cut_off(line: str) -> None:
    async def act() -> None:
        async with asyncio.timeout(20), serving(SETTINGS) as (server, port):
            with socket.create_connection(("127.0.0.1", port)) as deaf:
                deaf.setblocking(False)
                await fill(deaf, request(b"x" * 100_000, line=line), server)
                look(server, BOUNDS.write_seconds - 1)
                assert server.server_state.connections
                look(server, BOUNDS.write_seconds + 1)
                await settle()
                assert not server.server_state.connections

    asyncio.run(act())


async def fill(deaf: socket.socket, sent: bytes, server: uvicorn.Server) -> None:
    """Ask again and again, until the server has to keep answers for itself."""
    rest = b""
    await settle()
    while the_protocol(server)._unread_since is None:
        if not rest:
            await asyncio.sleep(0.01)  # one request at a time, or it would be pipelining
            rest = sent
        try:
            rest = rest[deaf.send(rest) :]
        except BlockingIOError:
            await settle()


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(b"", "X-Tag: " + "a" * 2_100, line="GET / HTTP/1.1"), 431),
        (request(b"", "X-Tag: " + "a" * 2_100), 431),
        (request(b"", *[f"X-{n}: {n}" for n in range(400)]), 431),
        (request(b"", line=f"GET /{'a' * 600} HTTP/1.1"), 414),
        (request(b"", line=f"POST /hot?{'a' * 600} HTTP/1.1"), 414),
        (request(b"", "X-Tag: a\x00b"), 400),
        (request(b"", "Content-Length: 7"), 400),
        (request(b"", "Transfer-Encoding: chunked"), 400),
        (request(b"", " X-Tag : a"), 400),
    ],
)
def test_heads_that_are_too_large_or_no_http_are_refused_by_a_problem_document(
    sent: bytes, status: int, pieces: int
) -> None:
    async def act() -> None:
        async with connected() as (client, _):
            step = len(sent) // pieces + 1
            for at in range(0, len(sent), step):
                client.writer.write(sent[at : at + step])
                await asyncio.sleep(0.02)
            reply = await client.answer()
            assert reply[0] == status
            assert reply[1]["content-type"] == "application/problem+json"
            assert reply[1]["connection"] == "close"
            assert await client.is_closed()

    asyncio.run(act())


def test_a_head_as_large_as_allowed_is_taken() -> None:
    async def act() -> None:
        for line in ("POST /hot HTTP/1.1", "GET / HTTP/1.1"):
            async with connected() as (client, _):
                whole = request(b"", "X-Other: " + "a" * 1_800, line=line)
                assert (await client.ask(whole))[0] == 200

    asyncio.run(act())
