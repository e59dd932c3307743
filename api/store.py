"""`Store`: rows of ClickHouse as typed objects, all at once or as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

import msgspec
from clickhouse_connect.driver.asyncclient import AsyncClient

from api.queries import Query
from core.clickhouse.client import ANSWER_SECONDS, address_of, connect_async, translate
from core.errors import SinkUnavailable
from core.settings import Settings
from core.telemetry import READ_QUERY_SECONDS

Row = TypeVar("Row")
Value = str | int | Sequence[str] | Sequence[int]

_FORMAT = "JSONEachRow"
_COMMON_SETTINGS = {
    # Each query has FINAL where it needs it: a profile that adds it everywhere makes point reads
    # slow.
    "final": 0,
    # An unmatched row of a LEFT JOIN counts 0, not NULL.
    "join_use_nulls": 0,
    # Integers as numbers; NaN and infinity, which JSON lacks, as null.
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 0,
    # Nobody waits for the answer of a closed connection.
    "cancel_http_readonly_queries_on_client_close": 1,
}
_ROWS_SETTINGS = {
    **_COMMON_SETTINGS,
    # A response below a megabyte is complete before its first byte is sent, and an error inside a
    # larger one is found when it is decoded. With 1, the server creates and deletes a file for each
    # response, which takes a third of a millisecond.
    "wait_end_of_query": 0,
}
_FILE_SETTINGS = {
    **_COMMON_SETTINGS,
    # An export lasts as long as its reader needs: the server must not cut off a slow one.
    "max_execution_time": 0,
    "http_send_timeout": 3600,
    # ClickHouse holds some row groups in memory: half a million typical rows each, or 32 MiB. Its
    # default is 512 MiB, too much for a small server.
    "output_format_parquet_row_group_size": 500_000,
    "output_format_parquet_row_group_size_bytes": 33_554_432,
}
# What the network and the server's own checks may add to a query's timeout.
_GRACE_SECONDS = 1.0


class Store(Protocol):
    """Reads ClickHouse. Every method raises SinkUnavailable when there is no response in time."""

    async def rows(self, query: Query[Row], seconds: float, **values: Value) -> list[Row]:
        """All rows of a small result, within `seconds`. `values` are the query's parameters.

        The query ends when the call is cancelled.
        """
        ...

    def file(
        self, query: Query[bytes], format: str, **values: Value
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A large result in one of ClickHouse's formats, as bytes, in constant memory.

        A response that breaks off may end with the text of an error: only the end of the format
        itself shows that the file is complete.
        """
        ...


class ClickHouseStore:
    """`Store` over HTTP. The first query connects; after a failure, the next one does."""

    def __init__(self, settings: Settings, answer_seconds: float = ANSWER_SECONDS) -> None:
        """`answer_seconds`: ClickHouse's longest silence. Raises SetupError when the URL of the
        settings is malformed."""
        address_of(settings)
        self._settings = settings
        self._answer_seconds = answer_seconds
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def rows(self, query: Query[Row], seconds: float, **values: Value) -> list[Row]:
        with READ_QUERY_SECONDS.labels(query.name).time():
            async with _deadline(self._settings, seconds + _GRACE_SECONDS):
                client = await self._connected()
                # A server that does not know a setting is too old for what the setting turns off.
                known = {k: v for k, v in query.settings.items() if k in client.server_settings}
                limits = {**_ROWS_SETTINGS, **known, "max_execution_time": seconds}
                answer = await client.raw_query(
                    query.sql, parameters=values, settings=limits, fmt=_FORMAT
                )
        return _rows(answer, msgspec.json.Decoder(query.row))

    @asynccontextmanager
    async def file(
        self, query: Query[bytes], format: str, **values: Value
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        seconds = query.first_byte_seconds or self._settings.reads.query_seconds
        async with _deadline(self._settings, seconds):
            client = await self._connected()
            answer = await client.raw_stream(
                query.sql,
                parameters=values,
                settings={**_FILE_SETTINGS, **query.settings},
                fmt=format,
            )
        with translate(self._settings):
            async with answer as chunks:
                yield chunks

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _connected(self) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                self._client = await connect_async(
                    self._settings, role="clickstream-api", answer_seconds=self._answer_seconds
                )
            return self._client


def _rows(lines: bytes, decoder: msgspec.json.Decoder[Row]) -> list[Row]:
    try:
        return decoder.decode_lines(lines)
    except msgspec.DecodeError as error:
        # An error in mid-response comes as text in place of a row.
        raise SinkUnavailable("ClickHouse broke off its answer: try again") from error


@asynccontextmanager
async def _deadline(settings: Settings, seconds: float) -> AsyncIterator[None]:
    """Raise SinkUnavailable for whatever keeps ClickHouse from responding within `seconds`."""
    with translate(settings):
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise SinkUnavailable(f"ClickHouse did not answer within {seconds:g} s") from error
