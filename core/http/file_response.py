"""Files that never change, over HTTP: HEAD, Range, ETag, Last-Modified (RFC 9110, 13 and 14).

Of several ranges in one request, and of what is no range, the whole file is the answer, as the RFC
allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final, Protocol

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_CHUNK_BYTES: Final = 256 * 1024


class OpenFile(Protocol):
    """A file of bytes, at any place of it."""

    def seek(self, place: int) -> object: ...

    def read(self, size: int) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class FixedFile:
    """A file with these bytes for ever. `open` blocks, as reading does."""

    open: Callable[[], OpenFile]
    name: str
    size: int
    sha256: str
    modified_ms: int
    media_type: str


def file_response(request: Request, file: FixedFile) -> Response:
    """The file, or the range that is asked for; 304 for who has it already. Nothing is read before
    the response begins. Raises HTTPException (416) for a range beyond the end."""
    etag = f'"{file.sha256}"'
    modified = formatdate(file.modified_ms / 1000, usegmt=True)
    headers = {
        "etag": etag,
        "last-modified": modified,
        "accept-ranges": "bytes",
        "content-disposition": f'attachment; filename="{file.name}"',
    }
    if _names(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    start, end, is_part = 0, file.size, False
    if request.headers.get("if-range", etag) in (etag, modified):
        asked = _range(request.headers.get("range", ""), file.size)
        is_part = asked is not None
        start, end = asked or (start, end)
    if is_part:
        headers["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
    headers["content-length"] = str(end - start)
    return StreamingResponse(
        _pieces(file, start, end), 206 if is_part else 200, headers, file.media_type
    )


def _names(header: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or tags == ["*"]


def _range(header: str, size: int) -> tuple[int, int] | None:
    """From and up to; None for the whole file."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= end:
        raise HTTPException(
            416, f"the file has {size} bytes", headers={"content-range": f"bytes */{size}"}
        )
    return start, end


def _pieces(file: FixedFile, start: int, end: int) -> Iterator[bytes]:
    """Ends early only with an exception: the connection then breaks before the announced end."""
    source = file.open()
    try:
        source.seek(start)
        while start < end:
            piece = source.read(min(_CHUNK_BYTES, end - start))
            if not piece:
                raise OSError(f"{file.name} is shorter than it was")
            start += len(piece)
            yield piece
    finally:
        source.close()
