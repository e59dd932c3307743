"""Read a body off the connection, bounded in bytes and in time; and check that it may be JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.types import Receive

from core.errors import BodyTooLarge, BodyTooSlow, Disconnected, UnsupportedMedia
from core.settings import Limits

_CURL_DEFAULT: Final = b"application/x-www-form-urlencoded"


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limits: Limits) -> bytes:
    """The whole body, as it was sent.

    Raises BodyTooLarge or BodyTooSlow, and Disconnected when the client left.
    """
    announced = int(headers.get(b"content-length", b"0"))
    if announced > limits.body_bytes:
        raise _too_large(announced, limits.body_bytes)
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _collect(receive, limits.body_bytes)
    except TimeoutError:
        raise BodyTooSlow(
            f"the body was not here after {limits.body_seconds:g} s: send it again"
        ) from None


def check_body(
    headers: Mapping[bytes, bytes], body: bytes, limits: Limits, *, takes_text: bool
) -> None:
    """Check a body that is here as a whole. `takes_text`: also one announced as text/plain, which
    is what a browser's beacon sends. Raises UnsupportedMedia or BodyTooLarge."""
    _check_media_type(headers.get(b"content-type", b""), takes_text)
    if len(body) > limits.body_bytes:
        raise _too_large(len(body), limits.body_bytes)


async def _collect(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit, limit, "more than ")
        parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(size: int, limit: int, least: str = "") -> BodyTooLarge:
    return BodyTooLarge(f"the body has {least}{size} bytes, at most {limit} are taken")


def _check_media_type(header: bytes, takes_text: bool) -> None:
    """JSON in UTF-8, by whichever of its names; a body without a media type is taken for JSON."""
    if header in (b"application/json", b""):
        return
    media_type, *parameters = (part.strip() for part in header.lower().split(b";"))
    is_json = media_type == b"application/json" or media_type.endswith(b"+json")
    if not is_json and not (takes_text and media_type == b"text/plain"):
        said = header.decode("latin-1")[:100]
        hint = " (curl: add -H 'Content-Type: application/json')"
        raise UnsupportedMedia(
            f"the body is announced as {said}: send Content-Type: application/json"
            + (hint if media_type == _CURL_DEFAULT else "")
        )
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"charset" and value.strip(b' "') not in (b"utf-8", b"utf8"):
            raise UnsupportedMedia("the body must be UTF-8, as JSON is (RFC 8259, 8.1)")
