"""Cheap checks whether a server is up, to be repeated while it starts.

An HTTP client library builds a TLS context for each call, and a Kafka client starts threads. Twenty
such checks a second would take CPU time from the server that is starting.
"""

from __future__ import annotations

import http.client
import socket
from base64 import b64encode
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an HTTP response."""

    status: int
    body: bytes


def listens(address: str, timeout_seconds: float) -> bool:
    """Whether anything accepts connections at `host:port`. Never raises."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout_seconds):
            return True
    except OSError:
        return False


def http_get(url: str, timeout_seconds: float) -> Answer | None:
    """The response to a GET of an `http://` URL; None when there is none in time. Never raises.

    A user and a password in the URL are sent as Basic authentication.
    """
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    headers = {"Authorization": f"Basic {b64encode(user.encode()).decode()}"} if user else {}
    connection = http.client.HTTPConnection(host, timeout=timeout_seconds)
    try:
        connection.request("GET", f"{parts.path or '/'}?{parts.query}", headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def is_ready(url: str, timeout_seconds: float) -> bool:
    """Whether /readyz of our process at `url` answers 200, for all that it serves. Never raises."""
    answer = http_get(f"{url}/readyz?for=all", timeout_seconds)
    return answer is not None and answer.status == HTTPStatus.OK
