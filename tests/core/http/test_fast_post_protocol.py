"""The two protocols over real sockets: who answers, and that a client cannot tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from clickstream.local.processes.ports import free_port
from core.errors import BrokerUnavailable
from core.http import bounded_protocol, fast_post_protocol
from core.http.fast_post_protocol import ProtocolFactory
from core.http.policies import RequestPolicies
from core.http.raw_response import RawResponse
from core.settings import Settings

SETTINGS = Settings(_env_file=None)

Reply = tuple[int, dict[str, str], bytes]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Behind the full protocol: says how much it was sent; refuses `no` before the end."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False) and size < 1_000_000
    text = b"x" * 1_000_000 if scope["path"] == "/large" else b"full %d" % size
    await RawResponse.of(200, text, "text/plain").send(send)


async def post(headers: Mapping[bytes, bytes], body: bytes) -> RawResponse:
    """In the fast protocol."""
    if body == b"unavailable":
        raise BrokerUnavailable("later", retry_after=7)
    if body == b"broken":
        raise RuntimeError("ours")
    if body == b"slow":
        await asyncio.sleep(0.2)
    return RawResponse.of(200, b"fast " + body + headers.get(b"x-tag", b""), "text/plain")


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, *pieces: bytes) -> Reply:
        """Send these, with a pause between them, and read one answer."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.02)
        return await self.answer()

    async def answer(self) -> Reply:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def is_closed(self) -> bool:
        return await self.reader.read(1) == b""


def request(body: bytes, *extra: str, line: str = "POST /hot HTTP/1.1") -> bytes:
    lines = [line, "Host: here", f"Content-Length: {len(body)}", *extra, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def serving(settings: Settings = SETTINGS) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    port = free_port()
    policies = RequestPolicies.from_settings(settings)
    config = uvicorn.Config(
        application,
        port=port,
        http=cast(
            "type[asyncio.Protocol]", ProtocolFactory({"/hot": post}, policies, settings.http)
        ),
        lifespan="off",
        log_config=None,
        ws="none",
        timeout_keep_alive=75,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    try:
        yield server, port
    finally:
        server.should_exit = True
        await task


def with_client(act: Callable[[Client, uvicorn.Server], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(20), serving() as (server, port):
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            try:
                await act(client, server)
            finally:
                client.writer.close()

    asyncio.run(run())


def answers(*pieces: bytes) -> Reply:
    replies: list[Reply] = []

    async def act(client: Client, _: uvicorn.Server) -> None:
        replies.append(await client.ask(*pieces))

    with_client(act)
    return replies[0]


def test_a_hot_post_is_answered_in_the_fast_lane_again_and_again() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        for body in (b"a", b"b", b""):
            status, headers, text = await client.ask(request(body, "X-Tag: !"))
            assert (status, text) == (200, b"fast " + body + b"!")
            assert headers["content-type"] == "text/plain"
            assert headers["date"]

    with_client(act)


def test_a_body_that_comes_after_its_head_stays_in_the_fast_protocol() -> None:
    whole = request(b"0123456789")
    assert answers(whole[:-10], whole[-10:-4], whole[-4:])[2] == b"fast 0123456789"


@pytest.mark.parametrize(
    "sent",
    [
        request(b"x", line="PUT /hot HTTP/1.1"),
        request(b"x", line="POST /cold HTTP/1.1"),
        request(b"x", line="POST /hot?q=1 HTTP/1.1"),
        request(b"x", line="POST /hot HTTP/1.0"),
        request(b"x", "Connection: close"),
        request(b"x", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"),
        b"POST /hot HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ],
)
def test_what_is_unusual_is_answered_in_the_full_protocol(sent: bytes) -> None:
    assert answers(sent)[2] == b"full 1"


def test_a_head_in_pieces_goes_to_the_full_protocol() -> None:
    whole = request(b"x")
    assert answers(whole[:9], whole[9:])[2] == b"full 1"


def test_a_large_body_goes_to_the_full_lane_with_all_its_bytes() -> None:
    body = b"x" * (fast_post_protocol._MOST_BYTES + 1)
    assert answers(request(body))[2] == b"full %d" % len(body)


def test_a_body_that_does_not_come_goes_to_the_full_protocol() -> None:
    async def act(client: Client, server: uvicorn.Server) -> None:
        whole = request(b"xyz")
        client.writer.write(whole[:-1])
        await asyncio.sleep(0.1)
        (protocol,) = server.server_state.connections
        assert isinstance(protocol, fast_post_protocol.FastPostProtocol)
        protocol.enforce_timeouts(asyncio.get_running_loop().time() + 2)
        assert (await client.ask(whole[-1:]))[2] == b"full 3"

    with_client(act)


@pytest.mark.parametrize("line", ["POST /hot HTTP/1.1", "PUT /cold HTTP/1.1"])
def test_pipelined_requests_are_answered_in_order(line: str) -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        assert (await client.ask(request(b"a") + request(b"bb", line=line)))[2] == b"full 1"
        assert (await client.answer())[2] == b"full 2"

    with_client(act)


def test_a_request_behind_one_that_is_under_way_waits_for_it() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        assert (await client.ask(request(b"slow"), request(b"b")))[2] == b"fast slow"
        assert (await client.answer())[2] == b"fast b"

    with_client(act)


def test_after_the_full_lane_the_connection_goes_on() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        assert (await client.ask(request(b"a")))[2] == b"fast a"
        assert (await client.ask(request(b"", line="GET / HTTP/1.1")))[2] == b"full 0"
        assert (await client.ask(request(b"abc")))[2] == b"full 3"

    with_client(act)


def test_what_is_no_http_is_refused() -> None:
    assert answers(b"nonsense\r\n\r\n")[0] == 400
    assert answers(request(b"a") + b"nonsense\r\n\r\n")[0] in (200, 400)


def test_an_error_meant_for_callers_is_a_problem_document() -> None:
    status, headers, _ = answers(request(b"unavailable"))
    assert (status, headers["retry-after"]) == (503, "7")
    assert headers["content-type"] == "application/problem+json"


def test_a_fault_of_ours_is_a_500_and_the_connection_lives_on() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        assert (await client.ask(request(b"broken")))[0] == 500
        assert (await client.ask(request(b"a")))[2] == b"fast a"

    with_client(act)


def test_shutting_down_finishes_what_is_under_way_and_says_so() -> None:
    async def act(client: Client, server: uvicorn.Server) -> None:
        client.writer.write(request(b"slow"))
        await asyncio.sleep(0.05)
        server.should_exit = True
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.is_closed()

    with_client(act)


def test_a_head_without_end_is_refused() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        client.writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * (SETTINGS.http.head_bytes + 1))
        assert (await client.answer())[0] == 431
        assert await client.is_closed()

    with_client(act)


@pytest.mark.parametrize("begun", [b"", b"GET / HT"])
def test_a_silent_client_is_hung_up_on(begun: bytes) -> None:
    async def act(client: Client, server: uvicorn.Server) -> None:
        client.writer.write(begun)
        await asyncio.sleep(0.1)
        (protocol,) = server.server_state.connections
        assert isinstance(
            protocol,
            fast_post_protocol.FastPostProtocol | bounded_protocol.BoundedHttpToolsProtocol,
        )
        protocol.enforce_timeouts(
            asyncio.get_running_loop().time() + SETTINGS.http.idle_seconds + 1
        )
        assert await client.is_closed()

    with_client(act)


def test_an_answer_before_the_end_of_the_body_ends_the_connection() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        head = b"POST /cold HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"
        reply = await client.ask(head, b"x" * 1_000_000)
        assert reply[0] == 200
        assert await client.is_closed()

    with_client(act)
