"""Bodies that are sent while they are written."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi.responses import StreamingResponse


async def start_stream(chunks: AsyncGenerator[bytes, None], media_type: str) -> StreamingResponse:
    """A response of these chunks; raises what the first step raises."""
    # Before the response begins: an error can still become a problem document.
    first = await anext(chunks, b"")
    # What is written while it is sent has no length, and no part of it can be asked for.
    headers = {"Accept-Ranges": "none"}
    return StreamingResponse(_rest_of_stream(first, chunks), media_type=media_type, headers=headers)


async def _rest_of_stream(
    first: bytes, rest: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for lines in rest:
            yield lines
