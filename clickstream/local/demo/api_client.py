"""The public API as a client sees it: requests out, replies in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import msgspec

from core.errors import ClickstreamError

Parameters = Mapping[str, str | int]

# An export of a large run takes its time; a server that is silent for this long is not coming back.
_SILENCE_SECONDS = 30.0
# Beyond the posts under way at once, so that the measuring reads never queue behind them.
_CONNECTIONS = 64
# One line of the export is one session with all its events.
_LONGEST_LINE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that has arrived whole."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def text(self) -> str:
        return self.body.decode(errors="replace")


class Writer(Protocol):
    """The write side of a server. Returns whatever it answers, also a refusal, and raises
    ConnectionError when there is no answer: then it is unknown whether the post took effect."""

    async def post(self, path: str, body: Any) -> Response:
        """Send `body` as JSON."""
        ...


class Http(Writer, Protocol):
    """Both sides."""

    async def get(
        self, path: str, params: Parameters, headers: Mapping[str, str] | None = None
    ) -> Response:
        """As `post`."""
        ...

    def stream_lines(self, path: str, params: Parameters) -> AsyncIterator[bytes]:
        """The lines of a long answer as they come. Raises ClickstreamError for a refusal."""
        ...


class HttpClient:
    """`Http` over pooled connections. Made by `http_client`."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def post(self, path: str, body: Any) -> Response:
        return await self._ask(
            "POST",
            path,
            data=msgspec.json.encode(body),
            headers={"Content-Type": "application/json"},
        )

    async def get(
        self, path: str, params: Parameters, headers: Mapping[str, str] | None = None
    ) -> Response:
        return await self._ask("GET", path, params=params, headers=headers)

    async def stream_lines(self, path: str, params: Parameters) -> AsyncIterator[bytes]:
        async with self._session.get(path, params=params) as answer:
            if not answer.ok:
                raise refusal(path, Response(answer.status, {}, await answer.read()))
            async for line in answer.content:
                yield line

    async def _ask(self, method: str, path: str, **request: Any) -> Response:
        try:
            async with self._session.request(method, path, **request) as answer:
                return Response(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error


@asynccontextmanager
async def http_client(url: str, key: str | None) -> AsyncIterator[HttpClient]:
    """A client of the server at `url`; `key` is sent with every request."""
    async with aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {key}"} if key else None,
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE_SECONDS),
        read_bufsize=_LONGEST_LINE_BYTES,
    ) as session:
        yield HttpClient(session)


def refusal(path: str, response: Response) -> ClickstreamError:
    """What to raise when an answer that had to be a success is not."""
    return ClickstreamError(f"{path} answers {response.status}: {response.text()[:500]}")
