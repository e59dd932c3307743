"""Long answers are read line by line, and a refusal is an error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from clickstream.local.demo.api_client import stream_lines
from core.errors import ClickstreamError


def read(response: httpx.Response) -> list[bytes]:
    async def read_all() -> list[bytes]:
        transport = httpx.MockTransport(lambda _: response)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
            return [line async for line in stream_lines(http, "/export/sessions", {"from": 1})]

    return asyncio.run(read_all())


async def in_chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_ends_only_where_json_lines_end(size: int, end: bytes) -> None:
    records = [{"query": "a\u2028b\x85"}, {"query": "雨伞"}]
    lines = [json.dumps(record, ensure_ascii=False).encode() for record in records]
    body = b"\n".join(lines) + end
    assert read(httpx.Response(200, content=in_chunks(body, size))) == lines


def test_a_refusal_is_raised_with_what_the_server_said() -> None:
    with pytest.raises(ClickstreamError, match=r"/export/sessions answers 503: try later"):
        read(httpx.Response(503, content=b"try later"))
