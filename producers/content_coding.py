"""Bodies that come compressed: unpacked, and never to more bytes than a body may have.

`Content-Encoding` (RFC 9110, 8.4) is gzip or zstd, once. What unpacks to little is unpacked at
once; all else on a thread, from its beginning: nothing is kept of the first attempt.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, Protocol

from core.errors import BodyTooLarge, MalformedBody, UnsupportedMedia

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Before and after: some 0.2 ms.
_LITTLE_BYTES: Final = 64 * 1024
_GZIP_FORMAT: Final = 16 + zlib.MAX_WBITS
# What a stream may make its reader remember, as a power of two: 8 MiB (RFC 9659).
_ZSTD_OPTIONS: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}
_TAKEN: Final = {"accept-encoding": "gzip, zstd, identity"}


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_STREAMS: Final[dict[bytes, Callable[[], _Stream]]] = {
    b"gzip": lambda: zlib.decompressobj(_GZIP_FORMAT),
    b"zstd": lambda: zstd.ZstdDecompressor(options=_ZSTD_OPTIONS),
}
_ALIASES: Final = {b"x-gzip": b"gzip"}  # RFC 9110, 8.4.1.3


async def unpack(coding: bytes, body: bytes, limit: int, thread: Executor) -> bytes:
    """The body without its `Content-Encoding`.

    Raises UnsupportedMedia for a coding that is not known, BodyTooLarge for more than `limit`
    bytes, MalformedBody for what is not one whole stream.
    """
    name = coding.strip().lower()
    name = _ALIASES.get(name, name)
    if name in (b"", b"identity"):
        return body
    if name not in _STREAMS:
        said = coding.decode("latin-1")[:100]
        raise UnsupportedMedia(
            f"the body is announced in the coding {said}: send it in gzip, in zstd, or as it is",
            _TAKEN,
        )
    if len(body) <= _LITTLE_BYTES:
        text = _unpack(name, body, min(_LITTLE_BYTES, limit))
        if text is not None:
            return text
    text = await asyncio.get_running_loop().run_in_executor(thread, _unpack, name, body, limit)
    if text is None:
        raise BodyTooLarge(f"the body unpacks to more than the {limit} bytes that are taken")
    return text


def _unpack(name: bytes, body: bytes, most: int) -> bytes | None:
    """None when there are more than `most` bytes; those after them are not made."""
    stream = _STREAMS[name]()
    said = name.decode()
    try:
        text = stream.decompress(body, most + 1)
    except (zlib.error, zstd.ZstdError) as error:
        raise MalformedBody(f"the body is announced as {said} and is not: {error}") from None
    if len(text) > most:
        return None
    if not stream.eof:
        raise MalformedBody(f"the body ends in the middle of its {said} stream")
    if stream.unused_data:
        raise MalformedBody(f"something follows the {said} stream of the body: send one stream")
    return text
