"""Compressed bodies, beacons and byte order marks over a socket: the same in each way to ask."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from core.settings import Limits, Settings
from tests.core.http.served import EVENTS, WAYS, Served, served

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SHOP = "https://shop.example"
PLAIN = json.dumps(EVENTS).encode()
LIMIT = 300_000
PATHS = ("/session/events", "/api/v1/clickstream/session/events")

IN_EACH_WAY = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def side() -> Iterator[Served]:
    with served(Settings(_env_file=None, limits=Limits(body_bytes=LIMIT))) as running:
        yield running


def large() -> bytes:
    events = [{"event_id": str(n), "object_id": "o" * 100} for n in range(1_000)]
    return json.dumps({"session_id": "s", "events": events}).encode()


@IN_EACH_WAY
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body", [PLAIN, b"\xef\xbb\xbf" + PLAIN, large()], ids=["plain", "with a mark", "large"]
)
@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("zstd", zstd.compress), ("identity", bytes)]
)
def test_a_compressed_body_is_taken(
    side: Served, way: str, path: str, body: bytes, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    reply = side.ask(way, "POST", path, pack(body), headers)
    accepted = len(json.loads(body.removeprefix(b"\xef\xbb\xbf"))["events"])
    assert (reply.status, json.loads(reply.body)) == (
        200,
        {"session_id": "s", "accepted": accepted},
    )


@IN_EACH_WAY
@pytest.mark.parametrize(
    ("coding", "body", "status", "why"),
    [
        ("gzip", gzip.compress(bytes(100 * LIMIT)), 413, b"more than the 300000 bytes"),
        ("zstd", zstd.compress(bytes(100 * LIMIT)), 413, b"more than the 300000 bytes"),
        ("gzip", PLAIN, 400, b"announced as gzip and is not"),
        ("zstd", zstd.compress(PLAIN)[:-3], 400, b"ends in the middle"),
        ("br", PLAIN, 415, b"coding br: send it in gzip"),
        ("gzip", gzip.compress(b'{"a": 1'), 400, b"not valid JSON"),
    ],
    ids=["gzip bomb", "zstd bomb", "no gzip", "half a stream", "br", "no JSON"],
)
def test_what_cannot_be_unpacked_is_refused_and_the_next_is_served(
    side: Served, way: str, coding: str, body: bytes, status: int, why: bytes
) -> None:
    reply = side.ask(way, "POST", "/session/events", body, {"Content-Encoding": coding})
    assert (reply.status, why in reply.body) == (status, True), reply.body
    assert ("accept-encoding" in reply.headers) == (status == 415)
    assert side.post(way).status == 200


@IN_EACH_WAY
def test_what_little_unpacks_to_counts_while_its_request_lasts(way: str) -> None:
    """Two thousand bytes that unpack to two million are two million while Kafka is slow."""
    settings = Settings(_env_file=None)
    with served(settings) as side:
        body = gzip.compress(b" " * 2_000_000 + PLAIN)
        endpoints = side.endpoints
        held = endpoints._unpacked.begin(announced=1, here=settings.http.bytes_in_flight)
        packed = {"Content-Encoding": "gzip"}
        assert side.ask(way, "POST", "/session/events", body, packed).status == 503
        held.end()
        assert side.ask(way, "POST", "/session/events", body, packed).status == 200
        assert endpoints._unpacked.requests == 0


@IN_EACH_WAY
def test_a_beacon_of_a_page_is_taken(way: str) -> None:
    """It is text, has no header of the page's, and is not asked for first (no preflight)."""
    key = f"page;rights=events;origins={SHOP}"
    beacon = {"Content-Type": "text/plain;charset=UTF-8", "Origin": SHOP}
    with served(Settings(_env_file=None, write_keys=(SecretStr(key),))) as side:
        for path in PATHS:
            reply = side.ask(way, "POST", f"{path}?key=page", PLAIN, beacon)
            assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, SHOP)
            assert side.ask(way, "POST", path, PLAIN, beacon).status == 401
            other = {**beacon, "Origin": "https://other.example"}
            assert side.ask(way, "POST", f"{path}?key=page", PLAIN, other).status == 403


@IN_EACH_WAY
@pytest.mark.parametrize(
    ("path", "status"), [("/session/events", 200), ("/session/irrelevant", 415)]
)
def test_text_is_taken_where_pages_post(side: Served, way: str, path: str, status: int) -> None:
    assert side.ask(way, "POST", path, PLAIN, {"Content-Type": "text/plain"}).status == status
