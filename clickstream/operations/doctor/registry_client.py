"""`RegistryView` of a real registry, over Confluent's REST API."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx

from clickstream.operations.doctor.clients import Registered

_NOT_FOUND = 404


class LiveRegistry:
    """Opens a connection for each question: a doctor asks a dozen."""

    def __init__(self, url: str, ca_file: str | None, request_seconds: float) -> None:
        self._url = url.rstrip("/")
        self._trust: ssl.SSLContext | bool = (
            ssl.create_default_context(cafile=ca_file) if ca_file else True
        )
        self._request_seconds = request_seconds

    def subjects(self) -> Sequence[str]:
        return [str(subject) for subject in self._get("/subjects").raise_for_status().json()]

    def latest(self, subject: str) -> Registered | None:
        answer = self._get(f"/subjects/{quote(subject, safe='')}/versions/latest")
        if answer.status_code == _NOT_FOUND:
            return None
        found: dict[str, Any] = answer.raise_for_status().json()
        return Registered(int(found["id"]), int(found["version"]), str(found["schema"]))

    def compatibility(self, subject: str) -> str:
        own = self._get(f"/config/{quote(subject, safe='')}")
        answer = self._get("/config") if own.status_code == _NOT_FOUND else own
        return str(answer.raise_for_status().json()["compatibilityLevel"])

    def _get(self, path: str) -> httpx.Response:
        return httpx.get(self._url + path, timeout=self._request_seconds, verify=self._trust)
