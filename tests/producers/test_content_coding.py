"""Compressed bodies: what comes out is what went in, and never more than a body may have."""

from __future__ import annotations

import asyncio
import gzip
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BodyTooLarge, MalformedBody, UnsupportedMedia
from producers.content_coding import unpack

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 2 * 1024 * 1024
PACKERS: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": gzip.compress, b"zstd": zstd.compress}
CODINGS = pytest.mark.parametrize("coding", PACKERS)


def unpacked(coding: bytes, body: bytes, limit: int = LIMIT) -> bytes:
    with ThreadPoolExecutor(1) as thread:
        return asyncio.run(unpack(coding, body, limit, thread))


@CODINGS
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, LIMIT - 1, LIMIT])
def test_what_went_in_comes_out(coding: bytes, size: int) -> None:
    text = bytes(range(256)) * (size // 256 + 1)
    assert unpacked(coding, PACKERS[coding](text[:size])) == text[:size]


@pytest.mark.parametrize("said", [b"GZIP", b" x-gzip "])
def test_a_coding_has_several_spellings(said: bytes) -> None:
    assert unpacked(said, gzip.compress(b"{}")) == b"{}"


@pytest.mark.parametrize("said", [b"identity", b"", b"Identity"])
def test_no_coding_leaves_the_body_alone(said: bytes) -> None:
    assert unpacked(said, b"{}") == b"{}"


@CODINGS
@pytest.mark.parametrize("times", [1, 50])
def test_a_bomb_is_too_large_and_takes_no_memory(coding: bytes, times: int) -> None:
    bomb = PACKERS[coding](bytes(LIMIT * times + 1))
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge, match=f"more than the {LIMIT} bytes"):
            unpacked(coding, bomb)
        assert tracemalloc.get_traced_memory()[1] < 3 * LIMIT
    finally:
        tracemalloc.stop()


@CODINGS
@pytest.mark.parametrize("limit", [10, 70_000])
def test_the_limit_holds_to_the_byte(coding: bytes, limit: int) -> None:
    assert len(unpacked(coding, PACKERS[coding](bytes(limit)), limit)) == limit
    with pytest.raises(BodyTooLarge):
        unpacked(coding, PACKERS[coding](bytes(limit + 1)), limit)


@CODINGS
def test_what_is_broken_is_said(coding: bytes) -> None:
    whole = PACKERS[coding](b'{"a": 1}' * 100)
    for body, why in [
        (b"", "ends in the middle"),
        (whole[:-1], "ends in the middle"),
        (b"{}" * 10, "is announced as"),
        (whole + b"x", "something follows"),
        (whole + whole, "something follows"),
    ]:
        with pytest.raises(MalformedBody, match=why):
            unpacked(coding, body)


@pytest.mark.parametrize("said", [b"br", b"deflate", b"gzip, gzip", b"gzip;q=1", b"\xff"])
def test_other_codings_are_refused_with_what_is_taken(said: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match="gzip, in zstd") as refused:
        unpacked(said, b"{}")
    assert refused.value.headers == {"accept-encoding": "gzip, zstd, identity"}


@CODINGS
@given(st.binary(max_size=300), st.integers(0, 299), st.integers(0, 255))
def test_any_bytes_are_unpacked_or_refused(coding: bytes, junk: bytes, at: int, byte: int) -> None:
    whole = bytearray(PACKERS[coding](b'{"session_id": "s-1", "events": []}' * 5))
    whole[at % len(whole)] = byte
    for body in (junk, bytes(whole)):
        with suppress(MalformedBody, BodyTooLarge):
            assert len(unpacked(coding, body, 1_000)) <= 1_000
