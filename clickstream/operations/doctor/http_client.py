"""Ask an HTTP process whether it is ready."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Protocol

import httpx

from core.errors import SetupError

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
        """The answer of `/readyz`, which needs no key; None when nothing listens there.

        Raises SetupError when the connection is no TLS that can be trusted.
        """
        ...


class HttpProbe:
    """`HttpClient` over httpx."""

    def __init__(self, url: str, request_seconds: float, ca_file: str | None) -> None:
        """`ca_file`: the authorities to trust for https; None: the usual ones."""
        self._url = url.rstrip("/")
        self._request_seconds = request_seconds
        self._ca_file = ca_file

    @property
    def url(self) -> str:
        return self._url

    def readiness(self) -> Readiness | None:
        trusted = ssl.create_default_context(cafile=self._ca_file)
        try:
            answer = httpx.get(
                f"{self._url}/readyz?for=all", timeout=self._request_seconds, verify=trusted
            )
        except httpx.ConnectError as error:
            if "SSL" in str(error):
                raise SetupError(
                    f"{self._url}: {error}; CLICKSTREAM_HTTPS_CA_FILE names who is trusted"
                ) from error
            return None
        return Readiness(answer.status_code, answer.text[:_BODY_CHARACTERS])
