"""urllib3 pools that reject responses without Content-Length or chunked encoding.

ClickHouse sends the head of a response in pieces, `200 OK` first. When it dies between two of them,
Python's `http.client` takes the end of the connection for the end of the head: a success with an
empty body. A look-up would then find nothing, and a count would be 0.
"""

from __future__ import annotations

import functools
from http.client import RemoteDisconnected
from typing import Final

from clickhouse_connect.driver.httputil import check_env_proxy, get_pool_manager
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3 itself does
        return _require_framing(super().getresponse())


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3 itself does
        return _require_framing(super().getresponse())


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final[dict[str, type[HTTPConnectionPool]]] = {"http": _Pool, "https": _SecurePool}


def pool_for(scheme: str, host: str, port: int, ca_file: str | None) -> PoolManager:
    """The pool for a server, shared by all clients of this process.

    Proxies are those of the environment (`http_proxy`, `no_proxy`).
    """
    return _pool(scheme, check_env_proxy(scheme, host, port), ca_file)


@functools.lru_cache
def _pool(scheme: str, proxy: str | None, ca_file: str | None) -> PoolManager:
    manager: PoolManager = get_pool_manager(
        ca_cert=ca_file,
        http_proxy=proxy if scheme == "http" else None,
        https_proxy=proxy if scheme == "https" else None,
    )
    manager.pool_classes_by_scheme = _POOLS
    return manager


def _require_framing(response: HTTPResponse) -> HTTPResponse:
    """The response, if it says where it ends, as ClickHouse's always do.

    Raises RemoteDisconnected for another: its head was cut.
    """
    if response.chunked or "Content-Length" in response.headers:
        return response
    response.close()
    raise RemoteDisconnected("Remote end closed connection inside the head of its answer")
