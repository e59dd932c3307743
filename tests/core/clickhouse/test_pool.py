"""ClickHouse dies while it answers: that is no empty answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client

from clickstream.local.processes.ports import LOOPBACK
from core import clickhouse
from core.clickhouse.client import address_of
from core.clickhouse.pool import pool_for
from core.errors import SinkUnavailable
from core.settings import Settings
from tests.listener import Listener, pass_on

# As ClickHouse sends them, in this order.
ANSWER = (
    b"HTTP/1.1 200 OK\r\n"
    b'X-ClickHouse-Summary: {"read_rows":"1"}\r\n'
    b"Content-Type: text/tab-separated-values; charset=UTF-8\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"X-ClickHouse-Format: TSV\r\n"
    b"\r\n"
    b"5\r\n4950\n\r\n"
    b"0\r\n\r\n"
)


class Mouth(Listener):
    """Reads a request without a body, says so much of the answer, and hangs up."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.length = len(ANSWER)

    async def _answer(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        await client.readuntil(b"\r\n\r\n")
        to_client.write(ANSWER[: self.length])
        await to_client.drain()
        to_client.close()


def test_an_answer_cut_after_any_byte_is_an_error() -> None:
    with Mouth() as mouth:
        pool = pool_for("http", LOOPBACK, mouth.port, None)
        url = f"http://{LOOPBACK}:{mouth.port}/"
        assert pool.request("POST", url).data == b"4950\n"
        # With the 0 of the last chunk everything is said; the line breaks behind it may miss.
        for length in range(len(ANSWER) - len(b"0\r\n\r\n") + 1):
            mouth.length = length
            with pytest.raises(urllib3.exceptions.HTTPError):
                pool.request("POST", url)


class CuttingProxy(Listener):
    """Passes on to ClickHouse, and lets so many bytes of each answer through: None, all of it."""

    def __init__(self, upstream_port: int) -> None:
        super().__init__(self._serve_one)
        self.bytes_let_through: int | None = None
        self._upstream_port = upstream_port

    async def _serve_one(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        server, to_server = await asyncio.open_connection(LOOPBACK, self._upstream_port)
        asking = asyncio.create_task(pass_on(client, to_server))
        with contextlib.suppress(OSError):
            while chunk := await server.read(65_536):
                to_client.write(chunk[: self.bytes_let_through])
                await to_client.drain()
                if self.bytes_let_through is not None:
                    break
        asking.cancel()
        to_client.close()
        to_server.close()


def through(settings: Settings, port: int) -> Settings:
    """The same settings, with ClickHouse behind the proxy on this port."""
    direct = urlsplit(settings.clickhouse_url.get_secret_value())
    user, _, _ = direct.netloc.rpartition("@")
    url = direct._replace(
        netloc=f"{user}@{LOOPBACK}:{port}" if user else f"{LOOPBACK}:{port}"
    ).geturl()
    return Settings.model_validate({**settings.model_dump(), "clickhouse_url": url})


# "HTTP/1.1 200 OK" with its line break, and some of the next line or all of it.
CUTS = [17, 40, 250]

ASK: dict[str, Callable[[Client], object]] = {
    "query": lambda client: client.query("SELECT 1"),
    "command": lambda client: client.command("SELECT 1"),
    "raw": lambda client: client.raw_query("SELECT 1"),
    "arrow": lambda client: client.query_arrow("SELECT 1"),
}


@pytest.mark.engines
@pytest.mark.parametrize("how", list(ASK))
def test_no_blocking_client_takes_a_cut_answer(module_settings: Settings, how: str) -> None:
    with CuttingProxy(address_of(module_settings).port) as proxy:
        behind = through(module_settings, proxy.port)
        with clickhouse.connect(behind) as client:
            ASK[how](client)
            for cut in CUTS:
                proxy.bytes_let_through = cut
                with pytest.raises(SinkUnavailable), clickhouse.translate(behind):
                    ASK[how](client)


ASK_ASYNC: dict[str, Callable[[AsyncClient], Coroutine[Any, Any, object]]] = {
    "query": lambda client: client.query("SELECT 1"),
    "raw": lambda client: client.raw_query("SELECT 1"),
}


@pytest.mark.engines
@pytest.mark.parametrize("how", list(ASK_ASYNC))
def test_no_async_client_takes_a_cut_answer(module_settings: Settings, how: str) -> None:
    async def ask(proxy: CuttingProxy) -> None:
        behind = through(module_settings, proxy.port)
        client = await clickhouse.connect_async(behind)
        try:
            await ASK_ASYNC[how](client)
            for cut in CUTS:
                proxy.bytes_let_through = cut
                with pytest.raises(SinkUnavailable), clickhouse.translate(behind):
                    await ASK_ASYNC[how](client)
        finally:
            await client.close()

    with CuttingProxy(address_of(module_settings).port) as proxy:
        asyncio.run(ask(proxy))
