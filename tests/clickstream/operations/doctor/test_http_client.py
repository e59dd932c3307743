"""The doctor asks an HTTP process, or the proxy in front of it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from clickstream.local.processes.ports import LOOPBACK, free_port
from clickstream.operations.doctor.http_client import HttpProbe, Readiness
from core.errors import SetupError
from tests.listener import Listener


async def ready(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    await client.readuntil(b"\r\n\r\n")
    to_client.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    await to_client.drain()


def test_a_proxy_is_trusted_by_the_authority_of_the_settings_and_otherwise_named(
    tmp_path: Path,
) -> None:
    authority, ca_file = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(LOOPBACK).configure_cert(context)
    with Listener(ready, context) as proxy:
        url = f"https://{LOOPBACK}:{proxy.port}"
        assert HttpProbe(url, 5, str(ca_file)).readiness() == Readiness(200, "{}")
        with pytest.raises(SetupError, match="CLICKSTREAM_HTTPS_CA_FILE"):
            HttpProbe(url, 5, None).readiness()


def test_nothing_listens_there() -> None:
    assert HttpProbe(f"http://{LOOPBACK}:{free_port()}", 5, None).readiness() is None
