"""Fetched bytes → Arrow, a whole batch at a time; what cannot be read is set aside as poison.

The verdict on a record never depends on its neighbours: a batch that does not decode is halved
until the culprits stand alone, and the same decoder judges them there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyruhvro

from clickstream.errors import PoisonRecord
from schemas.codec import Decoder, Encoder, header
from schemas.contracts import Contract
from schemas.dead_letters import Reason
from schemas.registry import SchemaRegistry
from stream_processors.breaches import Breach, invalid_fields, wrong_key, wrong_partition
from stream_processors.fetched import FetchedBatch, Partition, Record

# Bytes of the wire format before the Avro body.
_SKIP = len(header(0))


@dataclass(frozen=True, slots=True)
class Poison:
    """One record that can never be processed, and why."""

    source: Partition
    record: Record
    reason: Reason
    error: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows with the contract's columns, `kafka_partition` and `kafka_offset`; and the poison."""

    rows: pa.Table
    poison: tuple[Poison, ...]


class BatchDecoder:
    """Decodes the batches of one topic.

    Records written with exactly our schema go to Arrow whole; those of another registered version
    are resolved to ours one by one by fastavro, the codec of record.
    """

    def __init__(
        self, contract: Contract, schema_id: int, registry: SchemaRegistry, partitions: int
    ) -> None:
        self._text = contract.text
        self._columns: pa.Schema = pyruhvro.avro_to_arrow_schema(contract.text)
        self._header = header(schema_id)
        self._resolve = Decoder(contract, registry)
        self._encode = Encoder(contract, schema_id)
        self._partitions = partitions

    def decode(self, batch: FetchedBatch) -> Decoded:
        """Raises RegistryUnavailable; everything else that goes wrong is poison."""
        poison: list[Poison] = []
        bodies, records = self._unwrap(batch, poison)
        decoded, kept = self._to_arrow(bodies, records, batch.source, poison)
        return self._sift(decoded, kept, batch.source, poison)

    def _unwrap(
        self, batch: FetchedBatch, poison: list[Poison]
    ) -> tuple[list[bytes], Sequence[Record]]:
        """Avro bodies in our own schema, without their header."""
        values = [record.value for record in batch.records]
        # The usual case, and worth being quick about: everything is written with our own schema.
        if all(value is not None and value[:_SKIP] == self._header for value in values):
            return [value[_SKIP:] for value in values if value is not None], batch.records
        bodies, records = [], []
        for record in batch.records:
            try:
                bodies.append(self._body(record.value))
            except PoisonRecord as error:
                poison.append(Poison(batch.source, record, Reason(error.reason), str(error)))
            else:
                records.append(record)
        return bodies, records

    def _body(self, value: bytes | None) -> bytes:
        if value is None:
            raise PoisonRecord(Reason.NULL_VALUE, "the record has no value")
        if value[:_SKIP] == self._header:
            return value[_SKIP:]
        return self._encode.encode(self._resolve.decode(value))[_SKIP:]

    def _to_arrow(
        self,
        bodies: Sequence[bytes],
        records: Sequence[Record],
        source: Partition,
        poison: list[Poison],
    ) -> tuple[pa.RecordBatch, Sequence[Record]]:
        if not bodies:
            return _empty(self._columns), []
        try:
            decoded = pyruhvro.deserialize_array(list(bodies), self._text)
            # pyruhvro trusts the bytes of strings; ClickHouse and JSON must not meet bad UTF-8.
            decoded.validate(full=True)
        except ValueError as error:
            if len(bodies) == 1:
                poison.append(Poison(source, records[0], Reason.UNDECODABLE, str(error)))
                return _empty(self._columns), []
            middle = len(bodies) // 2
            left, left_kept = self._to_arrow(bodies[:middle], records[:middle], source, poison)
            right, right_kept = self._to_arrow(bodies[middle:], records[middle:], source, poison)
            return pa.concat_batches([left, right]), [*left_kept, *right_kept]
        return decoded, records

    def _sift(
        self,
        decoded: pa.RecordBatch,
        records: Sequence[Record],
        source: Partition,
        poison: list[Poison],
    ) -> Decoded:
        """Set aside what decodes but breaks the contract."""
        good = np.ones(len(records), dtype=bool)
        for breach in self._breaches(decoded, records, source):
            poison.extend(
                Poison(source, records[int(row)], breach.reason, breach.error)
                for row in np.flatnonzero(breach.rows & good)
            )
            good &= ~breach.rows
        rows = pa.Table.from_batches([decoded])
        offsets = np.fromiter((r.offset for r in records), dtype=np.int64, count=len(records))
        partition = np.full(len(records), source.partition, dtype=np.uint32)
        rows = rows.append_column("kafka_offset", pa.array(offsets))
        rows = rows.append_column("kafka_partition", pa.array(partition))
        return Decoded(rows if good.all() else rows.filter(pa.array(good)), tuple(poison))

    def _breaches(
        self, decoded: pa.RecordBatch, records: Sequence[Record], source: Partition
    ) -> Iterator[Breach]:
        keys = pa.array([record.key for record in records], type=pa.binary())
        yield wrong_key(keys, decoded["session_id"])
        yield wrong_partition(decoded["session_id"], source.partition, self._partitions)
        yield from invalid_fields(decoded)


def _empty(columns: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=columns)
