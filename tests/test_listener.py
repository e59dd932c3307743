"""The servers of tests leave nothing open behind them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import warnings
from pathlib import Path

from clickstream.local.processes.ports import LOOPBACK
from tests.e2e.secure import Authority
from tests.listener import Listener


async def echo(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    while said := await client.read(100):
        to_client.write(said)


def test_no_socket_outlives_its_listener(tmp_path: Path) -> None:
    """Not of those who connect at the last moment, nor of those who do not speak the TLS asked."""
    gc.collect()
    with warnings.catch_warnings(record=True) as unclosed, contextlib.ExitStack() as clients:
        warnings.simplefilter("always")
        for context in [None, Authority(tmp_path).server_context()] * 4:
            with Listener(echo, context) as listener:
                for _ in range(20):
                    client = socket.create_connection((LOOPBACK, listener.port))
                    clients.enter_context(client)
        gc.collect()
    assert [str(each.message) for each in unclosed] == []
