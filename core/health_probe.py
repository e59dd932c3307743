"""The cheapest way to ask a server whether it is there, over and over, while it starts.

An HTTP client library builds a TLS context for each call, and a Kafka client its threads: asked
twenty times a second, that would take the core away from the server which is starting.
"""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP server said."""

    status: int
    body: bytes


def listens(address: str, timeout_seconds: float) -> bool:
    """Does anything accept connections at `host:port`?"""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout_seconds):
            return True
    except OSError:
        return False


def http_get(url: str, timeout_seconds: float) -> Answer | None:
    """One GET of an `http://` URL; None when there is no answer in time. Never raises."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_seconds)
    try:
        connection.request("GET", f"{parts.path or '/'}?{parts.query}")
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def is_ready(url: str, timeout_seconds: float) -> bool:
    """Whether the process of ours at `url` says that it is. Never raises."""
    answer = http_get(f"{url}/readyz", timeout_seconds)
    return answer is not None and answer.status == HTTPStatus.OK
