"""The protocol over real sockets: who answers, and that a client cannot tell.

`/hot` has a handler of its own, all else is the application's.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import pytest
import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from clickstream.local.processes.ports import free_port
from core.errors import BrokerUnavailable
from core.http.policies import RequestPolicies
from core.http.protocol import HttpProtocol, ProtocolFactory
from core.http.raw_response import RawResponse
from core.settings import Limits, Settings
from core.telemetry import NO_KEY
from tests.core.http.counted import counted

SETTINGS = Settings(_env_file=None, limits=Limits(body_bytes=300_000))

Reply = tuple[int, dict[str, str], bytes]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Says how much it was sent; does not listen at all at `/early`."""
    if scope["path"] == "/early":
        await RawResponse.of(404, b"", "text/plain").send(send)
        return
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    text = b"x" * 1_000_000 if scope["path"] == "/large" else b"app %d" % size
    await RawResponse.of(200, text, "text/plain").send(send)


async def post(headers: Mapping[bytes, bytes], body: bytes) -> RawResponse:
    """The handler of `/hot`."""
    if body == b"unavailable":
        raise BrokerUnavailable("later", retry_after=7)
    if body == b"broken":
        raise RuntimeError("ours")
    if body == b"slow":
        await asyncio.sleep(0.2)
    return RawResponse.of(200, b"hot " + body + headers.get(b"x-tag", b""), "text/plain")


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
    lines = [line, "Host: localhost", f"Content-Length: {len(body)}", *extra, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def serving(
    settings: Settings = SETTINGS, app: ASGIApp = application
) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    port = free_port()
    policies = RequestPolicies.from_settings(settings)
    config = uvicorn.Config(
        app,
        port=port,
        http=cast(
            "type[asyncio.Protocol]",
            ProtocolFactory({"/hot": post}, policies, settings.http, settings.limits),
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


def with_client(
    act: Callable[[Client, uvicorn.Server], Awaitable[None]], settings: Settings = SETTINGS
) -> None:
    async def run() -> None:
        async with asyncio.timeout(20), serving(settings) as (server, port):
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


def protocol_of(server: uvicorn.Server) -> HttpProtocol:
    (protocol,) = server.server_state.connections
    assert isinstance(protocol, HttpProtocol)
    return protocol


def test_hot_posts_are_answered_by_their_handler_again_and_again() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        for body in (b"a", b"b", b""):
            status, headers, text = await client.ask(request(body, "X-Tag: !"))
            assert (status, text) == (200, b"hot " + body + b"!")
            assert headers["content-type"] == "text/plain"
            assert headers["date"]

    with_client(act)


@pytest.mark.parametrize(
    "sent",
    [
        request(b"x"),
        request(b"x", "Connection: close"),
        request(b"x", line="POST /hot HTTP/1.0"),
        request(b"x", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"),
    ],
)
def test_a_hot_post_has_its_handler_on_every_connection(sent: bytes) -> None:
    assert answers(sent)[2] == b"hot x"


@pytest.mark.parametrize(
    "sent",
    [
        request(b"x", line="PUT /hot HTTP/1.1"),
        request(b"x", line="POST /cold HTTP/1.1"),
        request(b"x", line="POST /hot?q=1 HTTP/1.1"),
        b"POST /hot HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\nx\r\n0\r\n\r\n",
    ],
)
def test_everything_else_is_the_applications(sent: bytes) -> None:
    assert answers(sent)[2] == b"app 1"


CHUNKED = (
    b"POST /hot HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n"
)
INNER = request(b"y")
CONVERSATIONS: dict[str, tuple[bytes, list[bytes]]] = {
    "plain": (request(b"x"), [b"hot x"]),
    "close": (request(b"x", "Connection: close"), [b"hot x"]),
    "1.0": (request(b"x", line="POST /hot HTTP/1.0"), [b"hot x"]),
    "chunked": (CHUNKED, [b"app 5"]),
    "application": (request(b"abc", line="PUT /cold HTTP/1.1"), [b"app 3"]),
    "pipelined": (
        request(b"a") + request(b"bb", line="PUT /cold HTTP/1.1") + CHUNKED + request(b"c"),
        [b"hot a", b"app 2", b"app 5", b"hot c"],
    ),
    # The body of one looks like a request: it must not be run as one.
    "upgrade": (request(INNER, "Upgrade: h2c", "Connection: Upgrade"), [b"hot " + INNER]),
    "upgrade in chunks": (
        CHUNKED.replace(b"Host: [::1]", b"Host: [::1]\r\nUpgrade: h2c\r\nConnection: upgrade"),
        [b"app 5"],
    ),
    "upgrade between others": (
        request(b"a") + request(INNER, "Upgrade: h2c", "Connection: Upgrade") + request(b"c"),
        [b"hot a", b"hot " + INNER, b"hot c"],
    ),
    "upgrade without a body": (
        request(b"", "Upgrade: websocket", "Connection: upgrade", line="GET /x HTTP/1.1")
        + request(b"c"),
        [b"app 0", b"hot c"],
    ),
    "refused before its body": (
        request(INNER, line="POST /early HTTP/1.1") + request(b"z"),
        [b"", b"hot z"],
    ),
    "expecting": (request(b"x", "Expect: 100-continue"), [b"hot x"]),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_where_the_bytes_are_cut_changes_no_answer(name: str) -> None:
    """Each conversation once for every byte of it, in two pieces, and once byte by byte."""
    sent, expected = CONVERSATIONS[name]
    every = [sent[at : at + 1] for at in range(len(sent))]
    cuts = [[sent[:at], sent[at:]] for at in range(1, len(sent))]

    async def converse(port: int, pieces: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        client = Client(reader, writer)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)
            for body in expected:
                reply = await client.answer()
                while reply[0] == 100:
                    reply = await client.answer()
                assert reply[2] == body, pieces
        finally:
            writer.close()

    async def run() -> None:
        async with asyncio.timeout(60 + CUT_REQUESTS / 20), serving() as (_, port):
            cuts.extend(_cut_at_random(sent, len(expected)))
            for start in range(0, len(cuts), _CONVERSATIONS_AT_ONCE):
                some = cuts[start : start + _CONVERSATIONS_AT_ONCE]
                await asyncio.gather(*(converse(port, pieces) for pieces in some))
            await converse(port, every)

    asyncio.run(run())


def _cut_at_random(sent: bytes, requests: int) -> Iterator[list[bytes]]:
    """Several cuts each, until all conversations together have as many requests as are asked for:
    CLICKSTREAM_TEST_CUTS; `make faults` sets it."""
    chance = random.Random(len(sent))
    for _each in range(CUT_REQUESTS // len(CONVERSATIONS) // requests):
        some = sorted(chance.sample(range(1, len(sent)), chance.randint(2, 6)))
        yield [sent[a:b] for a, b in zip([0, *some], [*some, len(sent)], strict=True)]


CUT_REQUESTS = int(os.environ.get("CLICKSTREAM_TEST_CUTS", "0"))
_CONVERSATIONS_AT_ONCE = 32


def test_a_body_that_does_not_come_is_a_408() -> None:
    async def act(client: Client, server: uvicorn.Server) -> None:
        client.writer.write(request(b"xyz")[:-1])
        await asyncio.sleep(0.1)
        late = asyncio.get_running_loop().time() + SETTINGS.limits.body_seconds + 1
        protocol_of(server).enforce_timeouts(late)
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (408, "close")
        assert await client.is_closed()

    with_client(act)


@pytest.mark.parametrize("line", ["POST /hot HTTP/1.1", "PUT /cold HTTP/1.1"])
def test_pipelined_requests_are_answered_in_order(line: str) -> None:
    who = b"hot" if "hot" in line else b"app"

    async def act(client: Client, _: uvicorn.Server) -> None:
        assert (await client.ask(request(b"a") + request(b"bb", line=line)))[2] == b"hot a"
        assert (await client.answer())[2].startswith(who)

    with_client(act)


def test_hot_posts_are_counted_by_the_name_of_their_key() -> None:
    def requests(key: str, status: int) -> float:
        labels = {"route": "/hot", "method": "POST", "status": str(status), "key": key}
        return counted("clickstream_http_requests_total", **labels)

    before = {each: requests(*each) for each in (("shop", 200), (NO_KEY, 401))}

    async def act(client: Client, _: uvicorn.Server) -> None:
        assert (await client.ask(request(b"a", "X-API-Key: secret-of-the-shop")))[0] == 200
        assert (await client.ask(request(b"a", "X-API-Key: other")))[0] == 401

    with_client(
        act,
        SETTINGS.model_copy(update={"write_keys": (SecretStr("secret-of-the-shop;name=shop"),)}),
    )
    assert {each: requests(*each) - before[each] for each in before} == dict.fromkeys(before, 1.0)


def test_a_thousand_pipelined_refusals_end() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        client.writer.write(request(b"a") * 1_000)
        for _each in range(1_000):
            assert (await client.answer())[0] == 401

    with_client(act, SETTINGS.model_copy(update={"write_keys": (SecretStr("key"),)}))


def test_a_request_behind_one_that_is_under_way_waits_for_it() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        assert (await client.ask(request(b"slow"), request(b"b")))[2] == b"hot slow"
        assert (await client.answer())[2] == b"hot b"

    with_client(act)


def test_after_the_application_the_next_hot_post_has_its_handler_again() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        assert (await client.ask(request(b"a")))[2] == b"hot a"
        assert (await client.ask(request(b"", line="GET / HTTP/1.1")))[2] == b"app 0"
        assert (await client.ask(request(b"abc")))[2] == b"hot abc"

    with_client(act)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /hot HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 400),
        (request(b"x", "Host: localhost"), 400),
        (request(b"x", "Host: localhost", line="POST /hot HTTP/1.0"), 400),
        (CHUNKED.replace(b"chunked", b"gzip, chunked"), 501),
        (CHUNKED.replace(b"Transfer", b"Transfer-Encoding: gzip\r\nTransfer"), 501),
        (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (request(b"x", "Transfer-Encoding: chunked"), 400),
    ],
)
def test_framing_is_as_strict_as_the_standard_asks(sent: bytes, status: int) -> None:
    """RFC 9112, 3.2 and 6.1."""

    labels = {"route": "unrouted", "method": "other", "status": str(status), "key": NO_KEY}
    before = counted("clickstream_http_requests_total", **labels)

    async def act(client: Client, _: uvicorn.Server) -> None:
        reply = await client.ask(sent)
        assert (reply[0], reply[1]["connection"]) == (status, "close")
        assert reply[1]["content-type"] == "application/problem+json"
        assert await client.is_closed()

    with_client(act)
    assert counted("clickstream_http_requests_total", **labels) == before + 1


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("CONNECT localhost:443 HTTP/1.1", 400, b"no proxy"),
        ("CONNECT / HTTP/1.1", 400, b"no proxy"),
        ("GET http://localhost HTTP/1.1", 400, b"a path such as /session"),
        ("GET http://localhost:99999/x HTTP/1.1", 400, b"a path such as /session"),
        ("GET http://[::1/x HTTP/1.1", 400, b"a path such as /session"),
        ("GET /sess\u00efon HTTP/1.1", 400, b""),
        ("GET http://localhost/x HTTP/1.1", 200, b"app 3"),
        ("POST http://localhost/hot?x HTTP/1.1", 200, b"app 3"),
        ("OPTIONS * HTTP/1.1", 200, b"app 3"),
    ],
)
def test_a_target_that_is_not_served_is_refused_and_it_is_said_why(
    line: str, status: int, says: bytes
) -> None:
    """RFC 9112, 3.2; nothing of what follows is taken for a request."""
    got, headers, body = answers(request(b"abc", line=line))
    assert (got, headers.get("connection")) == (status, None if got == 200 else "close")
    assert says in body
    assert b"callback" not in body


def test_what_was_asked_before_the_nonsense_is_answered_first() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        assert (await client.ask(request(b"slow") + b"nonsense\r\n\r\n"))[2] == b"hot slow"
        assert (await client.answer())[0] == 400
        assert await client.is_closed()

    with_client(act)


def test_an_error_meant_for_callers_is_a_problem_document() -> None:
    status, headers, _ = answers(request(b"unavailable"))
    assert (status, 7 <= int(headers["retry-after"]) <= 14) == (503, True)
    assert headers["content-type"] == "application/problem+json"


def test_a_fault_of_ours_is_a_500_and_the_connection_lives_on() -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        assert (await client.ask(request(b"broken")))[0] == 500
        assert (await client.ask(request(b"a")))[2] == b"hot a"

    with_client(act)


@pytest.mark.parametrize("path", ["/hot", "/cold"])
def test_shutting_down_finishes_what_is_under_way_and_says_so(path: str) -> None:
    async def act(client: Client, server: uvicorn.Server) -> None:
        client.writer.write(
            request(b"slow", line=f"POST {path} HTTP/1.1")[: -1 if path == "/cold" else None]
        )
        await asyncio.sleep(0.05)
        server.should_exit = True
        if path == "/cold":
            await asyncio.sleep(0.2)
            client.writer.write(b"w")
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
        late = asyncio.get_running_loop().time() + SETTINGS.http.idle_seconds + 1
        protocol_of(server).enforce_timeouts(late)
        assert await client.is_closed()

    with_client(act)


@pytest.mark.parametrize("path", ["/early", "/hot"])
@pytest.mark.parametrize(("size", "goes_on"), [(1_000_000, True), (1_200_001, False)])
def test_a_refusal_before_the_body_reads_it_or_says_that_the_connection_ends(
    path: str, size: int, goes_on: bool
) -> None:
    """What follows on the connection is never taken for anything but what it is."""

    async def act(client: Client, _: uvicorn.Server) -> None:
        head = f"POST {path} HTTP/1.1\r\nHost: [::1]\r\nContent-Length: {size}\r\n\r\n".encode()
        status, headers, _body = await client.ask(head)
        assert status == (413 if path == "/hot" else 404)
        assert ("connection" not in headers) == goes_on
        client.writer.write(b"x" * size)
        if goes_on:
            await client.writer.drain()
            assert (await client.ask(request(b"next")))[2] == b"hot next"
        else:
            assert await client.is_closed()

    with_client(act)


def test_a_key_is_asked_for_before_the_body() -> None:
    async def act(client: Client, server: uvicorn.Server) -> None:
        assert (await client.ask(request(b"x" * 1000)[:-1000]))[0] == 401
        assert protocol_of(server)._in_flight.bytes == 0

    with_client(act, SETTINGS.model_copy(update={"write_keys": (SecretStr("key"),)}))


def test_a_body_is_counted_as_it_comes_until_the_answer() -> None:
    """Who announces much and sends nothing holds nothing."""

    async def act(client: Client, server: uvicorn.Server) -> None:
        whole = request(b"x" * 200_000)
        client.writer.write(whole[:-200_000])
        await asyncio.sleep(0.1)
        in_flight = protocol_of(server)._in_flight
        assert (in_flight.requests, in_flight.bytes) == (1, 0)
        client.writer.write(whole[-200_000:-1_000])
        await asyncio.sleep(0.1)
        assert (in_flight.requests, in_flight.bytes) == (1, 199_000)
        client.writer.close()
        await asyncio.sleep(0.1)
        assert (in_flight.requests, in_flight.bytes) == (0, 0)

    with_client(act)


@pytest.mark.parametrize("sent", [request(b"slow"), request(b"abc", line="PUT /cold HTTP/1.1")])
def test_a_client_that_ends_its_side_after_its_request_is_answered(sent: bytes) -> None:
    async def act(client: Client, _: uvicorn.Server) -> None:
        client.writer.write(sent)
        client.writer.write_eof()
        assert (await client.answer())[0] == 200
        assert await client.is_closed()

    with_client(act)


def test_answers_that_nobody_reads_do_not_pile_up() -> None:
    """Pipelined requests wait while the client leaves their answers unread."""

    async def act(client: Client, server: uvicorn.Server) -> None:
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        one = request(b"x" * 50_000)
        for _each in range(200):
            client.writer.write(one)
            await asyncio.sleep(0)
        await asyncio.sleep(0.5)
        protocol = protocol_of(server)
        assert protocol._unread_since is not None
        assert protocol.transport.get_write_buffer_size() < 500_000
        client.writer.transport.abort()  # it would wait until all is written

    with_client(act)


def test_refusals_that_nobody_reads_do_not_pile_up() -> None:
    """Neither the answers nor the requests: of these one read of the socket is let in at a time."""

    async def act(client: Client, server: uvicorn.Server) -> None:
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        some = request(b"x", "X-Padding: " + "x" * 100) * 1_000
        for _each in range(60):
            client.writer.write(some)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        protocol = protocol_of(server)
        assert protocol._unread_since is not None
        assert protocol.transport.get_write_buffer_size() < 2_000_000
        assert len(protocol.pipeline) < 3_000
        client.writer.transport.abort()

    with_client(act, SETTINGS.model_copy(update={"write_keys": (SecretStr("key"),)}))


def test_each_answer_lets_no_further_read_of_pipelined_requests_in() -> None:
    async def act(client: Client, server: uvicorn.Server) -> None:
        some = request(b"slow") + request(b"x") * 2_000
        client.writer.write(some * 20)
        longest = 0
        for _each in range(200):
            await client.answer()
            longest = max(longest, len(protocol_of(server).pipeline))
        assert longest < 6_000
        client.writer.transport.abort()

    with_client(act)


def test_a_refusal_waits_for_what_was_asked_before_it_also_behind_half_a_body() -> None:
    half = CHUNKED[: CHUNKED.index(b"2;x=y")]

    async def act(client: Client, _: uvicorn.Server) -> None:
        status, _headers, body = await client.ask(request(b"slow") + half + b"nonsense\r\n")
        assert (status, body) == (200, b"hot slow")
        assert (await client.answer())[0] == 400
        assert await client.is_closed()

    with_client(act)


def test_nothing_is_begun_behind_a_connection_that_ends() -> None:
    async def act(client: Client, server: uvicorn.Server) -> None:
        first = request(b"x", "Connection: close")
        status, headers, _ = await client.ask(first + request(b"broken", line="PUT /x HTTP/1.1"))
        assert (status, headers["connection"]) == (401, "close")
        assert await client.is_closed()
        assert server.server_state.total_requests == 0

    with_client(act, SETTINGS.model_copy(update={"write_keys": (SecretStr("key"),)}))


@pytest.mark.parametrize("path", ["/early", "/hot"])
def test_a_client_that_was_not_told_to_continue_is_told_that_the_connection_ends(path: str) -> None:
    """It may send the body or not: what follows could not be told from it."""

    async def act(client: Client, _: uvicorn.Server) -> None:
        line = f"POST {path} HTTP/1.1"
        head = request(b"x" * 100, "Expect: 100-continue", line=line)[:-100]
        status, headers, _ = await client.ask(head)
        assert (status, headers["connection"]) == (404 if path == "/early" else 401, "close")
        assert await client.is_closed()

    with_client(act, SETTINGS.model_copy(update={"write_keys": (SecretStr("key"),)}))
