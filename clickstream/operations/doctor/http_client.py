"""Ask an HTTP process whether it is ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import httpx

# Characters of a body that are shown. Our own answers are a few lines.
_BODY_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer of `/readyz`."""

    status: int
    body: str


class HttpClient(Protocol):
    """An HTTP process. Its methods block for a bounded time."""

    @property
    def url(self) -> str:
        """Where the process is expected."""
        ...

    def readiness(self) -> Readiness | None:
        """The answer of `/readyz`, which needs no key; None when nothing listens there."""
        ...


class HttpProbe:
    """`HttpClient` over httpx."""

    def __init__(self, url: str, request_seconds: float) -> None:
        self._url = url.rstrip("/")
        self._request_seconds = request_seconds

    @property
    def url(self) -> str:
        return self._url

    def readiness(self) -> Readiness | None:
        try:
            answer = httpx.get(f"{self._url}/readyz?for=all", timeout=self._request_seconds)
        except httpx.ConnectError:
            return None
        return Readiness(answer.status_code, answer.text[:_BODY_CHARACTERS])
