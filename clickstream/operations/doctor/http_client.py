"""`HttpView` of the process that listens at a URL."""

from __future__ import annotations

import httpx

from clickstream.operations.doctor.clients import Readiness

# A reason list is a few lines; anything longer is not ours.
_BODY_CHARACTERS = 500


class LiveHttp:
    """Asks `/readyz`, which needs no key."""

    def __init__(self, url: str, request_seconds: float) -> None:
        self._url = url.rstrip("/")
        self._request_seconds = request_seconds

    @property
    def url(self) -> str:
        return self._url

    def readiness(self) -> Readiness | None:
        try:
            answer = httpx.get(f"{self._url}/readyz", timeout=self._request_seconds)
        except httpx.ConnectError:
            return None
        return Readiness(answer.status_code, answer.text[:_BODY_CHARACTERS])
