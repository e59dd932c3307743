"""Starlette's test client, asking as a program on this machine does."""

from __future__ import annotations

from starlette.testclient import TestClient
from starlette.types import ASGIApp


class LocalClient(TestClient):
    """Asks for `localhost`."""

    __test__ = False

    def __init__(self, app: ASGIApp, *, follow_redirects: bool = True) -> None:
        super().__init__(app, base_url="http://localhost", follow_redirects=follow_redirects)
