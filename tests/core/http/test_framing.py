from __future__ import annotations

from contextlib import suppress

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MalformedRequest, TransferCodingUnknown
from core.http.framing import check_framing, check_target, head_without_upgrade
from core.http.headers import by_name
from core.http.raw_response import Header

HOST = (b"host", b"localhost")
CHUNKED = (b"transfer-encoding", b"chunked")


def check(*lines: Header, version: str = "1.1") -> None:
    check_framing(lines, by_name(lines), version)


def test_one_host_and_at_most_chunks_are_clear() -> None:
    check(HOST)
    check(HOST, CHUNKED)
    check(HOST, (b"transfer-encoding", b" Chunked "))
    check(HOST, (b"x-a", b"1"), (b"x-a", b"2"))
    check(version="1.0")


@pytest.mark.parametrize("lines", [(), (CHUNKED,), (HOST, HOST), (HOST, CHUNKED, HOST)])
def test_no_host_or_two_are_refused(lines: tuple[Header, ...]) -> None:
    with pytest.raises(MalformedRequest, match="one Host"):
        check(*lines)


@pytest.mark.parametrize(
    "lines",
    [
        ((b"transfer-encoding", b"gzip, chunked"),),
        ((b"transfer-encoding", b"gzip"), CHUNKED),
        (CHUNKED, (b"transfer-encoding", b"identity")),
        (CHUNKED, CHUNKED),
        ((b"transfer-encoding", b""),),
    ],
)
def test_a_coding_that_is_not_undone_is_refused_in_however_many_lines(
    lines: tuple[Header, ...],
) -> None:
    with pytest.raises(TransferCodingUnknown):
        check(HOST, *lines)


def test_http_1_0_has_no_coding() -> None:
    with pytest.raises(MalformedRequest):
        check(HOST, CHUNKED, version="1.0")


@pytest.mark.parametrize("target", [b"/", b"/a?b=%ff", b"http://localhost/x", b"*"])
def test_a_path_or_a_url_with_one_is_a_target(target: bytes) -> None:
    check_target(b"GET", target)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        (b"CONNECT", b"/"),
        (b"GET", b"http://localhost"),
        (b"GET", b"http://[::1/x"),
        (b"GET", b"/caf\xc3\xa9"),
        (b"GET", b""),
    ],
)
def test_anything_else_is_none(method: bytes, target: bytes) -> None:
    with pytest.raises(MalformedRequest):
        check_target(method, target)


@given(st.binary(max_size=30))
def test_whatever_the_target_is_it_is_one_or_malformed(target: bytes) -> None:
    with suppress(MalformedRequest):
        check_target(b"GET", target)


class Bodies:
    def __init__(self) -> None:
        self.found: list[bytes] = []
        self.ends = 0

    def on_body(self, body: bytes) -> None:
        self.found.append(body)

    def on_message_complete(self) -> None:
        self.ends += 1


@pytest.mark.parametrize(
    ("framing", "rest"),
    [((b"content-length", b"3"), b"abc"), (CHUNKED, b"3\r\nabc\r\n0\r\n\r\n")],
)
def test_after_the_head_without_upgrade_the_body_is_found(framing: Header, rest: bytes) -> None:
    bodies = Bodies()
    parser = httptools.HttpRequestParser(bodies)
    lines = (HOST, (b"upgrade", b"h2c"), (b"connection", b"upgrade"), framing)
    parser.feed_data(head_without_upgrade(lines) + rest)
    assert (b"".join(bodies.found), bodies.ends) == (b"abc", 1)


def test_lines_of_one_name_are_one_list() -> None:
    assert by_name([]) == {}
    assert by_name([(b"a", b"1"), (b"b", b"2")]) == {b"a": b"1", b"b": b"2"}
    several = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3, 4")]
    assert by_name(several) == {b"a": b"1, 3, 4", b"b": b"2"}
