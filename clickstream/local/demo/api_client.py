"""The public API as a client sees it, over httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx

from core.errors import ClickstreamError

Parameters = Mapping[str, str | int]

# An export of a large run takes its time; a server that is silent for this long is not coming back.
_TIMEOUT = httpx.Timeout(30.0, connect=5.0, pool=None)
# More than the posts under way at once, so that the measuring reads never wait for a connection.
_LIMITS = httpx.Limits(max_connections=64)


def http_client(url: str, key: str | None) -> httpx.AsyncClient:
    """A client of the server at `url`; `key` is sent with every request."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT, limits=_LIMITS)


async def stream_lines(
    http: httpx.AsyncClient, path: str, params: Parameters
) -> AsyncIterator[bytes]:
    """The lines of a long answer as they arrive. Raises ClickstreamError for a refusal."""
    async with http.stream("GET", path, params=dict(params)) as response:
        if not response.is_success:
            await response.aread()
            raise refusal(response)
        # Not `aiter_lines`: it also splits at U+2028 and others, which JSON has within strings.
        rest = b""
        async for chunk in response.aiter_bytes():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line
        if rest:
            yield rest


def refusal(response: httpx.Response) -> ClickstreamError:
    """What to raise when an answer that had to be a success is not."""
    return ClickstreamError(
        f"{response.url.path} answers {response.status_code}: {response.text[:500]}"
    )
