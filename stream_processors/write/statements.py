"""Runs the worker's statements: rows of ours go with them as external tables, refusals by size are
halved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.external import ExternalData

from core import clickhouse
from core.clickhouse.layout import Layout
from core.errors import StatementRefused, StatementTooLarge
from core.settings import Settings

T = TypeVar("T")

_TYPES: Final = {
    pa.string(): "String",
    pa.uint8(): "UInt8",
    pa.uint16(): "UInt16",
    pa.uint32(): "UInt32",
    pa.uint64(): "UInt64",
    pa.int32(): "Int32",
    pa.date32(): "Date",
    pa.timestamp("ms"): "DateTime64(3, 'UTC')",
}


class Statements:
    """Each method blocks and raises SinkUnavailable, or its kinds StatementTooLarge and
    StatementRefused."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self.layout = Layout.of(settings)
        self._shards = client
        if self.layout.cluster:
            self._shards = clickhouse.connect(
                settings, role="clickstream worker", database=self.layout.shard_database
            )

    def select(
        self, query: str, columns: pa.Schema, parameters: Mapping[str, Any], **tables: pa.Table
    ) -> pa.Table:
        """The answer, cast to `columns`. The query may name the tables."""
        found = self.call(
            lambda: self._client.query_arrow(
                query, parameters=dict(parameters), external_data=_external(tables)
            )
        )
        return found.cast(columns)

    def run(self, statement: str, parameters: Mapping[str, Any], **tables: pa.Table) -> None:
        """Runs a statement that gives no rows."""
        self.call(
            lambda: self._client.raw_query(
                statement, parameters=dict(parameters), external_data=_external(tables)
            )
        )

    def on_every_node(self, statement: str, parameters: Mapping[str, Any]) -> None:
        """Runs a deletion, or what ends one, where the tables themselves are. It reads other tables
        of its own shard alone."""
        self.call(
            lambda: self._shards.raw_query(
                self.layout.on_every_node(statement), parameters=dict(parameters)
            )
        )

    def call(self, action: Callable[[], T]) -> T:
        """Our rows fit our own schema. So a refusal is mostly the server's state (starting, out of
        disk, a migration missing): it is worth a retry."""
        with clickhouse.translate(self._settings, on_refusal=StatementRefused):
            return action()


def in_halves(rows: pa.Table, action: Callable[[pa.Table], T]) -> list[T]:
    """What `action` gives for all rows, or for each part of them that the server takes at once.

    Raises what `action` raises; StatementTooLarge only for one row alone, which it then names.
    """
    try:
        return [action(rows)]
    except StatementTooLarge as error:
        if rows.num_rows < 2:
            raise StatementTooLarge(f"{error}; refused alone: {_name_of(rows)}") from error
    half = rows.num_rows // 2
    return in_halves(rows.slice(0, half), action) + in_halves(rows.slice(half), action)


def _name_of(row: pa.Table) -> str:
    names = ("session_id", "event_id", "kafka_partition", "kafka_offset")
    here = [name for name in names if name in row.schema.names and row.num_rows]
    return ", ".join(f"{name} {row[name][0].as_py()!r}" for name in here)


def _external(tables: Mapping[str, pa.Table]) -> ExternalData | None:
    if not tables:
        return None
    external = ExternalData()
    for name, table in tables.items():
        stream = pa.BufferOutputStream()
        with pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
        external.add_file(
            file_name=name,
            fmt="Arrow",
            structure=", ".join(f"{f.name} {_TYPES[f.type]}" for f in table.schema),
            data=stream.getvalue().to_pybytes(),
        )
    return external
