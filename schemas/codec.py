"""The Avro codec, in the Confluent wire format: a zero byte, four bytes of schema id, the record.

Times are integers (milliseconds since the epoch) on both sides: a datetime would lose what lies
outside the years 1 to 9999, and costs more than all the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import parse_schema
from fastavro.types import Schema

from core.errors import RecordRejected, SchemaIncompatible
from schemas.compatibility import find_clash
from schemas.contracts import Contract
from schemas.dead_letters import Reason
from schemas.registry import SchemaRegistry

_MAGIC: Final = b"\x00"
_HEADER_BYTES: Final = 5


def header(schema_id: int) -> bytes:
    """What precedes every record written with this schema."""
    return _MAGIC + schema_id.to_bytes(4, "big")


def schema_id_of(value: bytes) -> int:
    """The schema id in the first bytes of a value. Raises RecordRejected when there is none."""
    if len(value) < _HEADER_BYTES or not value.startswith(_MAGIC):
        raise RecordRejected(
            Reason.BAD_MAGIC_BYTE,
            f"begins with {value[:_HEADER_BYTES].hex() or 'nothing'}, not with a zero byte and a"
            " schema id (Confluent wire format)",
        )
    return int.from_bytes(value[1:_HEADER_BYTES], "big")


class Encoder:
    """Writes records of one contract. Safe to share between threads."""

    def __init__(self, contract: Contract, schema_id: int) -> None:
        self._schema = _without_logical_types(contract.text)
        self._header = header(schema_id)

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """The record's bytes. Fields that have a default may be left out, others are ignored.

        Raises ValueError, TypeError or OverflowError when a field does not fit: callers validate
        before, so that is a bug of theirs.
        """
        buffer = BytesIO()
        buffer.write(self._header)
        schemaless_writer(buffer, self._schema, record)
        return buffer.getvalue()


class Decoder:
    """Reads records of one contract, whichever registered schema they were written with.

    Not for several threads at once.
    """

    def __init__(self, contract: Contract, registry: SchemaRegistry) -> None:
        self._text = contract.text
        self._schema = _without_logical_types(contract.text)
        self._registry = registry
        self._writers: dict[int, Schema] = {}
        self._clashing: dict[int, str] = {}

    def decode(self, value: bytes) -> dict[str, Any]:
        """The record, with the contract's fields and nothing else.

        Raises RecordRejected when no retry can help, RegistryUnavailable when the writer's schema
        cannot be fetched now.
        """
        writer = self._writer(schema_id_of(value))
        buffer = BytesIO(value)
        buffer.seek(_HEADER_BYTES)
        return self._read(buffer, writer, len(value))

    def decode_body(self, body: bytes) -> dict[str, Any]:
        """The same for an Avro body without its header, written with the contract's own schema."""
        return self._read(BytesIO(body), self._schema, len(body))

    def _read(self, buffer: BytesIO, writer: Schema, end: int) -> dict[str, Any]:
        try:
            record = schemaless_reader(buffer, writer, self._schema)
        except SchemaResolutionError as error:
            raise RecordRejected(Reason.SCHEMA_CLASH, str(error)) from error
        except MemoryError:
            raise  # ours, not the record's
        except Exception as error:
            # fastavro names no set of errors for bytes that are not Avro: EOFError, ValueError,
            # IndexError, OverflowError and others come out of it.
            raise RecordRejected(Reason.UNDECODABLE, f"{type(error).__name__}: {error}") from error
        if buffer.tell() != end:
            raise RecordRejected(
                Reason.TRAILING_BYTES, f"{end - buffer.tell()} bytes after the record"
            )
        if not isinstance(record, dict):
            raise RecordRejected(Reason.SCHEMA_CLASH, "the writer's schema is not a record")
        return record

    def _writer(self, schema_id: int) -> Schema:
        writer = self._writers.get(schema_id)
        if writer is None:
            if schema_id not in self._clashing:
                self._fetch(schema_id)
            if schema_id in self._clashing:
                raise RecordRejected(Reason.SCHEMA_CLASH, self._clashing[schema_id])
            writer = self._writers[schema_id]
        return writer

    def _fetch(self, schema_id: int) -> None:
        """Get the schema of an id. An unknown id is not cached: it may be registered a bit later.

        The two schemas are compared once, for all records of the id, so that whether a record is
        rejected does not depend on the values that it has.
        """
        try:
            text = self._registry.schema(schema_id)
        except LookupError as error:
            raise RecordRejected(
                Reason.UNKNOWN_SCHEMA_ID, f"the registry never gave out schema id {schema_id}"
            ) from error
        try:
            clash = str(find_clash(self._text, text) or "")
        except SchemaIncompatible as error:  # a registry also holds JSON Schema and Protobuf
            clash = str(error)
        if clash:
            self._clashing[schema_id] = f"schema id {schema_id}: {clash}"
        else:
            self._writers[schema_id] = _without_logical_types(text)


def _without_logical_types(text: str) -> Schema:
    """The schema for fastavro, which then neither makes nor takes datetimes."""
    schema: Schema = parse_schema(_plain(json.loads(text)))
    return schema


def _plain(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            name: value if name == "default" else _plain(value)
            for name, value in part.items()
            if name != "logicalType"
        }
    if isinstance(part, list):
        return [_plain(item) for item in part]
    return part
