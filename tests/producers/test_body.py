from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message

from core.errors import BodyTooLarge, BodyTooSlow, Disconnected, UnsupportedMedia
from core.settings import Limits
from producers.body import check_body, read_body

LIMITS = Limits(body_bytes=10)


class Connection:
    """An ASGI `receive` that brings these parts; then it is silent for ever, or disconnects."""

    def __init__(self, parts: Sequence[bytes], *, whole: bool = True, leaves: bool = False) -> None:
        self._messages: list[Message] = [
            {"type": "http.request", "body": part, "more_body": not whole or n < len(parts)}
            for n, part in enumerate(parts, start=1)
        ]
        if leaves:
            self._messages.append({"type": "http.disconnect"})
        self.unread = len(self._messages)

    async def receive(self) -> Message:
        if not self.unread:
            await asyncio.Event().wait()
        self.unread -= 1
        return self._messages[-1 - self.unread]


def read(connection: Connection, seconds: float = 60.0, announced: int | None = None) -> bytes:
    headers = {} if announced is None else {b"content-length": b"%d" % announced}
    limits = LIMITS.model_copy(update={"body_seconds": seconds})
    return asyncio.run(read_body(headers, connection.receive, limits))


@pytest.mark.parametrize("parts", [[b"0123456789"], [b"01234", b"", b"56789"], [b""]])
def test_body_is_put_together(parts: list[bytes]) -> None:
    assert read(Connection(parts)) == b"".join(parts)


def test_a_body_announced_as_too_large_is_refused_with_both_numbers_and_not_read() -> None:
    connection = Connection([b"0123456789", b"0"])
    with pytest.raises(BodyTooLarge, match="has 11 bytes, at most 10"):
        read(connection, announced=11)
    assert connection.unread == 2


def test_an_endless_body_is_not_read_for_ever() -> None:
    """What still comes is the protocol's to throw away, so that the client sees the answer."""
    connection = Connection([b"0123456789"] * 100)
    with pytest.raises(BodyTooLarge, match="more than 10 bytes"):
        read(connection)
    assert connection.unread == 98


def test_a_client_that_leaves_is_not_an_error_of_the_request() -> None:
    with pytest.raises(Disconnected):
        read(Connection([b"01"], whole=False, leaves=True))


def test_a_body_that_never_ends_to_arrive_is_given_up() -> None:
    with pytest.raises(BodyTooSlow):
        read(Connection([b"01"], whole=False), seconds=0.001)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/vnd.acme.search+json",
    ],
)
def test_json_by_any_name_is_taken(media_type: str) -> None:
    check({b"content-type": media_type.encode()} if media_type else {})


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/jsonp",
    ],
)
def test_another_media_type_is_refused(media_type: str) -> None:
    with pytest.raises(UnsupportedMedia):
        check({b"content-type": media_type.encode()})


@pytest.mark.parametrize("media_type", ["text/plain", "Text/Plain;charset=UTF-8"])
def test_a_beacons_text_is_taken_where_beacons_are(media_type: str) -> None:
    check({b"content-type": media_type.encode()}, takes_text=True)


def test_text_in_another_encoding_is_refused_there_too() -> None:
    with pytest.raises(UnsupportedMedia, match="UTF-8"):
        check({b"content-type": b"text/plain; charset=latin-1"}, takes_text=True)


def test_what_curl_sends_by_default_is_refused_with_the_remedy() -> None:
    with pytest.raises(UnsupportedMedia, match="-H 'Content-Type: application/json'"):
        check({b"content-type": b"application/x-www-form-urlencoded"})


def check(headers: dict[bytes, bytes], *, takes_text: bool = False) -> None:
    check_body(headers, b"{}", LIMITS, takes_text=takes_text)
