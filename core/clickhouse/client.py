"""Makes ClickHouse clients, and translates their errors. The only place that does."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import clickhouse_connect
import urllib3
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import (
    ClickHouseError,
    DatabaseError,
    OperationalError,
)
from pydantic import SecretStr

from core.clickhouse.layout import Layout
from core.clickhouse.pool import pool_for
from core.errors import ClickstreamError, SinkUnavailable, StatementTooLarge
from core.server_urls import Address, clickhouse_address
from core.settings import Settings

# The library logs what it also raises: without a handler, Python would print it as well.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())

_CONNECT_SECONDS: Final = 5.0
# Longer than any insert or migration takes; a dead server must not hold a worker for ever.
ANSWER_SECONDS: Final = 60.0

_PINNED: Final[Mapping[str, Any]] = {
    # With 0, an insert is in the table, as one block, when ClickHouse responds. The default is 1
    # since 26.x.
    "async_insert": 0,
    # Rows are deduplicated by key. A server that drops a block because it has seen an equal one
    # would lose rows that were deleted in between (an erasure). The second name is the newer.
    "insert_deduplicate": 0,
    "deduplicate_insert": "disable",
    # With 1, the server merges the rows of each inserted block by key and version, and again when
    # it merges the part: an eighth of its CPU for an event, a sixth of the time. Reads are right
    # without: FINAL also merges equal keys within a part that was never merged.
    "optimize_on_insert": 0,
    # One session has one day, so FINAL need not compare partitions. It belongs to the reader.
    "do_not_merge_across_partitions_select_final": 1,
}

# Older servers do not know these; what the setting turns off, they never did.
_OPTIONAL: Final = frozenset({"deduplicate_insert"})

# The beginning of a refusal says what is wrong; the statement that follows may be long.
_REFUSAL_CHARS: Final = 500

_REFUSED: Final = "it refuses the user or password of CLICKSTREAM_CLICKHOUSE_URL"

# Errors that pass by themselves or by an operator's action; the query itself is not wrong.
# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_TRANSIENT: Final[Mapping[int, str]] = {
    60: "a table is missing: run `clickstream migrate`",
    81: "the database is missing: run `clickstream migrate`",
    193: _REFUSED,
    194: _REFUSED,
    198: "it cannot resolve a host",
    202: "it runs too many queries",
    203: "it has no free connection",
    209: "it lost a connection",
    210: "it lost a connection",
    225: "it has lost its Keeper",
    242: "the table is read-only",
    243: "its disk is full",
    252: "too many parts wait to be merged",
    279: "it cannot reach another server",
    285: "too few replicas are alive",
    286: "an earlier insert has not reached enough replicas",
    289: "a replica lacks what others have",
    319: "the outcome of an insert is unknown",
    341: "a replica has not done it yet",
    394: "the query was cancelled",
    439: "it cannot start a thread",
    497: "its user may not do this: give it the role that `clickstream grants` prints",
    516: _REFUSED,
    745: "it is overloaded",
    999: "its Keeper does not answer",
}


# Of these, a smaller statement may be spared.
_TOO_LARGE: Final[Mapping[int, str]] = {
    158: "it may not read so many rows",
    159: "it took too long",
    241: "it is out of memory",
    307: "it may not read so many bytes",
    396: "it may not answer with so many rows",
}


def address_of(settings: Settings) -> Address:
    """Where ClickHouse is. Settings have checked their URL when they were read."""
    return clickhouse_address(settings.clickhouse_url.get_secret_value())


def database_of(settings: Settings) -> str:
    """The name of our database: letters, digits and underscores."""
    return address_of(settings).database


def on_database(settings: Settings, database: str) -> Settings:
    """The same settings on another database of the same server."""
    url = urlsplit(settings.clickhouse_url.get_secret_value())
    elsewhere = SecretStr(url._replace(path=f"/{database}").geturl())
    return settings.model_copy(update={"clickhouse_url": elsewhere})


def connect(
    settings: Settings,
    *,
    role: str = "clickstream",
    database: str | None = None,
    answer_seconds: float = ANSWER_SECONDS,
) -> Client:
    """A blocking client. Threads may share it: it has no server-side session.

    `role` appears in system.query_log (http_user_agent). `database` overrides that of the settings.
    A query fails after `answer_seconds` without a byte. Raises SinkUnavailable when ClickHouse does
    not respond, or has no such database.
    """
    with translate(settings):
        client = clickhouse_connect.get_client(
            **_options(settings, role, database, answer_seconds), pool_mgr=_pool(settings)
        )
        _pin(client)
    return client


async def connect_async(
    settings: Settings,
    *,
    role: str = "clickstream",
    database: str | None = None,
    answer_seconds: float = ANSWER_SECONDS,
) -> AsyncClient:
    """As `connect`, for one event loop. Close it with `await client.close()`."""
    with translate(settings):
        client = await clickhouse_connect.get_async_client(
            **_options(settings, role, database, answer_seconds)
        )
        _pin(client)
    return client


@contextmanager
def translate(
    settings: Settings, *, on_refusal: type[ClickstreamError] | None = None
) -> Iterator[None]:
    """Turn the library's errors into ours: those that pass by themselves into SinkUnavailable,
    those that a smaller statement may be spared into StatementTooLarge.

    Any other refusal of ClickHouse becomes an `on_refusal`; without one it goes through as the
    library's ClickHouseError. No message holds the password: the library is never given a URL with
    one.
    """
    try:
        yield
    except ClickHouseError as error:
        why = _TRANSIENT.get(error.code or 0) if isinstance(error, DatabaseError) else None
        too_large = _TOO_LARGE.get(error.code or 0) if isinstance(error, DatabaseError) else None
        if too_large is not None:
            raise StatementTooLarge(
                f"ClickHouse at {address_of(settings).url}: {too_large}"
            ) from error
        if why is not None:
            raise SinkUnavailable(
                f"ClickHouse at {address_of(settings).url}: {why}", public=f"ClickHouse: {why}"
            ) from error
        if isinstance(error, OperationalError):
            raise _no_response(settings, error) from error
        if on_refusal is not None:
            raise on_refusal(f"ClickHouse refuses: {str(error)[:_REFUSAL_CHARS]}") from error
        raise
    except (urllib3.exceptions.HTTPError, aiohttp.ClientError, OSError) as error:
        raise _no_response(settings, error) from error


def _options(
    settings: Settings, role: str, database: str | None, answer_seconds: float
) -> dict[str, Any]:
    address = address_of(settings)
    return {
        "interface": address.scheme,
        "host": address.host,
        "port": address.port,
        "username": address.user,
        "password": address.password,
        "ca_cert": settings.https_ca_file,
        "database": address.database if database is None else database,
        "client_name": role,
        "compress": "lz4",
        # Whole seconds: the library takes no others, and 0 means no timeout.
        "connect_timeout": max(1, round(min(answer_seconds, _CONNECT_SECONDS))),
        "send_receive_timeout": max(1, round(answer_seconds)),
        # With a server-side session, threads that share a client would wait for each other.
        "autogenerate_session_id": False,
        "settings": {
            **{name: value for name, value in _PINNED.items() if name not in _OPTIONAL},
            **Layout.of(settings).client_settings,
        },
    }


def _pool(settings: Settings) -> urllib3.PoolManager:
    address = address_of(settings)
    return pool_for(address.scheme, address.host, address.port, settings.https_ca_file)


def _pin(client: Client | AsyncClient) -> None:
    for name in _OPTIONAL & client.server_settings.keys():
        client.set_client_setting(name, _PINNED[name])


def _no_response(settings: Settings, error: BaseException) -> SinkUnavailable:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner  # the libraries wrap "connection refused" four times over
    remedy = "start it, or set CLICKSTREAM_CLICKHOUSE_URL"
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "set CLICKSTREAM_HTTPS_CA_FILE to the authority that signed its certificate"
    return SinkUnavailable(
        f"ClickHouse at {address_of(settings).url} does not answer ({error}): {remedy}",
        public="ClickHouse does not answer: try again later",
    )
