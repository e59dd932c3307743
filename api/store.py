"""`Store`: typed rows out of ClickHouse, whole or as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

import msgspec
from clickhouse_connect.driver.asyncclient import AsyncClient

from api.queries import Query
from core.clickhouse.client import address_of, connect_async, translate
from core.errors import SinkUnavailable
from core.settings import Settings
from core.telemetry import READ_QUERY_SECONDS

Row = TypeVar("Row")
Value = str | int | Sequence[str]

_FORMAT = "JSONEachRow"
_READING = {
    # Each query says itself where it wants FINAL: a server's profile that adds it everywhere would
    # make point reads slow.
    "final": 0,
    # An unmatched row of a LEFT JOIN counts 0, not NULL.
    "join_use_nulls": 0,
    # Integers as numbers; NaN and infinity, which JSON lacks, as null.
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 0,
}
_WHOLE = {
    **_READING,
    # An answer of less than a megabyte is whole before its first byte is sent, and an error in a
    # larger one is seen where it is decoded. Waiting for the end makes the server open a file, and
    # delete it again, for each answer: a third of a millisecond each.
    "wait_end_of_query": 0,
}
_STREAMING = {
    **_READING,
    # An export lasts as long as its reader; a slow one must not be cut off by the server.
    "max_execution_time": 0,
    "http_send_timeout": 3600,
    # Ordered reading in constant memory: keep the order on disk, in small blocks.
    "optimize_read_in_order": 1,
    "max_block_size": 8192,
    "max_threads": 1,
}
_FILE = {
    **_READING,
    "max_execution_time": 0,
    "http_send_timeout": 3600,
    # ClickHouse holds some row groups in memory: half a million rows of the usual kind each, or
    # 32 MiB. Its own default is 512 MiB, which a small server does not have.
    "output_format_parquet_row_group_size": 500_000,
    "output_format_parquet_row_group_size_bytes": 33_554_432,
}
# Rows handed on at once: a few milliseconds of work, so that other requests of this event loop are
# not kept waiting by an export.
_SLICE_ROWS = 250
# Seconds that the network and the server's own checks may add to a query's limit.
_GRACE_SECONDS = 1.0


class Store(Protocol):
    """Reads ClickHouse. Every method raises SinkUnavailable when it does not answer in time."""

    async def rows(self, query: Query[Row], seconds: float, **values: Value) -> list[Row]:
        """All rows of a small answer, within `seconds`. `values` are the query's parameters."""
        ...

    def stream(
        self, query: Query[Row], **values: Value
    ) -> AbstractAsyncContextManager[AsyncIterator[list[Row]]]:
        """The rows of a large answer, some at a time, in memory that does not grow with it.

        Entered once the server began to answer; what it reads is fixed at that moment. An answer
        that breaks off raises, it never just ends.
        """
        ...

    def file(
        self, query: Query[bytes], format: str, **values: Value
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A large answer in one of ClickHouse's formats, as bytes, in constant memory.

        An answer that breaks off may end with the text of an error: the format's own end tells.
        """
        ...


class ClickHouseStore:
    """`Store` over HTTP. Connects when first asked, and again after that failed."""

    def __init__(self, settings: Settings) -> None:
        """SetupError when the address can never be connected to."""
        address_of(settings)
        self._settings = settings
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def rows(self, query: Query[Row], seconds: float, **values: Value) -> list[Row]:
        with READ_QUERY_SECONDS.labels(query.name).time():
            async with _answering(self._settings, seconds + _GRACE_SECONDS):
                client = await self._connected()
                # A server that does not know a setting is too old for what it turns off.
                known = {k: v for k, v in query.settings.items() if k in client.server_settings}
                limits = {**_WHOLE, **known, "max_execution_time": seconds}
                answer = await client.raw_query(
                    query.sql, parameters=values, settings=limits, fmt=_FORMAT
                )
        return _rows(answer, msgspec.json.Decoder(query.row))

    @asynccontextmanager
    async def stream(
        self, query: Query[Row], **values: Value
    ) -> AsyncIterator[AsyncIterator[list[Row]]]:
        async with _answering(self._settings, self._settings.reads.query_seconds):
            client = await self._connected()
            answer = await client.raw_stream(
                query.sql, parameters=values, settings=_STREAMING, fmt=_FORMAT
            )
        with translate(self._settings):
            async with answer as chunks:
                yield decoded(chunks, msgspec.json.Decoder(query.row))

    @asynccontextmanager
    async def file(
        self, query: Query[bytes], format: str, **values: Value
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with _answering(self._settings, self._settings.reads.query_seconds):
            client = await self._connected()
            answer = await client.raw_stream(
                query.sql, parameters=values, settings=_FILE, fmt=format
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
                self._client = await connect_async(self._settings, role="clickstream-api")
            return self._client


async def decoded(
    chunks: AsyncIterator[bytes], decoder: msgspec.json.Decoder[Row]
) -> AsyncIterator[list[Row]]:
    """Rows out of lines that the network cut anywhere."""
    rest = b""
    async for chunk in chunks:
        lines, _, rest = (rest + chunk).rpartition(b"\n")
        rows = _rows(lines, decoder)
        for start in range(0, len(rows), _SLICE_ROWS):
            yield rows[start : start + _SLICE_ROWS]
    if rest:
        yield _rows(rest, decoder)


def _rows(lines: bytes, decoder: msgspec.json.Decoder[Row]) -> list[Row]:
    try:
        return decoder.decode_lines(lines)
    except msgspec.DecodeError as error:
        # An error in the middle of an answer comes as text in the place of a row.
        raise SinkUnavailable("ClickHouse broke off its answer: try again") from error


@asynccontextmanager
async def _answering(settings: Settings, seconds: float) -> AsyncIterator[None]:
    """SinkUnavailable for whatever keeps ClickHouse from answering within `seconds`."""
    with translate(settings):
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise SinkUnavailable(f"ClickHouse did not answer within {seconds:g} s") from error
