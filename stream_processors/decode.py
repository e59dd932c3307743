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
from stream_processors.breaches import (
    Breach,
    Partitions,
    invalid_fields,
    wrong_key,
    wrong_partition,
)
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

    def decode(self, batches: Sequence[FetchedBatch]) -> Decoded:
        """All batches of our topic at once: a busy worker fetches many small ones.

        Raises RegistryUnavailable; everything else that goes wrong is poison.
        """
        pile = _Pile.of(batches)
        poison: list[Poison] = []
        bodies, kept = self._unwrap(pile, poison)
        decoded, kept = self._to_arrow(bodies, kept, pile, poison)
        return self._sift(decoded, kept, pile, poison)

    def _unwrap(self, pile: _Pile, poison: list[Poison]) -> tuple[list[bytes], list[int]]:
        """Avro bodies in our own schema, without their header; and whose they are."""
        values = [record.value for record in pile.records]
        # The usual case, and worth being quick about: everything is written with our own schema.
        if all(value is not None and value[:_SKIP] == self._header for value in values):
            bodies = [value[_SKIP:] for value in values if value is not None]
            return bodies, list(range(len(bodies)))
        bodies, kept = [], []
        for number, value in enumerate(values):
            try:
                bodies.append(self._body(value))
            except PoisonRecord as error:
                poison.append(pile.poison(number, Reason(error.reason), str(error)))
            else:
                kept.append(number)
        return bodies, kept

    def _body(self, value: bytes | None) -> bytes:
        if value is None:
            raise PoisonRecord(Reason.NULL_VALUE, "the record has no value")
        if value[:_SKIP] == self._header:
            return value[_SKIP:]
        return self._encode.encode(self._resolve.decode(value))[_SKIP:]

    def _to_arrow(
        self, bodies: list[bytes], kept: list[int], pile: _Pile, poison: list[Poison]
    ) -> tuple[pa.RecordBatch, list[int]]:
        if not bodies:
            return _empty(self._columns), []
        try:
            decoded = pyruhvro.deserialize_array(bodies, self._text)
            # pyruhvro trusts the bytes of strings; ClickHouse and JSON must not meet bad UTF-8.
            decoded.validate(full=True)
        except ValueError as error:
            if len(bodies) == 1:
                poison.append(pile.poison(kept[0], Reason.UNDECODABLE, str(error)))
                return _empty(self._columns), []
            middle = len(bodies) // 2
            left, left_kept = self._to_arrow(bodies[:middle], kept[:middle], pile, poison)
            right, right_kept = self._to_arrow(bodies[middle:], kept[middle:], pile, poison)
            return pa.concat_batches([left, right]), left_kept + right_kept
        return decoded, kept

    def _sift(
        self, decoded: pa.RecordBatch, kept: list[int], pile: _Pile, poison: list[Poison]
    ) -> Decoded:
        """Set aside what decodes but breaks the contract."""
        records = [pile.records[number] for number in kept]
        partitions = pile.partitions[kept]
        good = np.ones(len(kept), dtype=bool)
        for breach in self._breaches(decoded, records, partitions):
            poison.extend(
                pile.poison(kept[row], breach.reason, breach.error)
                for row in np.flatnonzero(breach.rows & good)
            )
            good &= ~breach.rows
        offsets = np.fromiter((r.offset for r in records), dtype=np.int64, count=len(records))
        rows = pa.Table.from_batches([decoded])
        rows = rows.append_column("kafka_offset", pa.array(offsets))
        rows = rows.append_column("kafka_partition", pa.array(partitions.astype(np.uint32)))
        return Decoded(rows if good.all() else rows.filter(pa.array(good)), tuple(poison))

    def _breaches(
        self, decoded: pa.RecordBatch, records: Sequence[Record], partitions: Partitions
    ) -> Iterator[Breach]:
        keys = pa.array([record.key for record in records], type=pa.binary())
        yield wrong_key(keys, decoded["session_id"])
        yield wrong_partition(decoded["session_id"], partitions, self._partitions)
        yield from invalid_fields(decoded)


@dataclass(frozen=True, slots=True)
class _Pile:
    """The records of many batches of one topic, one after the other, and each one's partition."""

    topic: str
    records: Sequence[Record]
    partitions: Partitions

    @classmethod
    def of(cls, batches: Sequence[FetchedBatch]) -> _Pile:
        numbers = np.array([batch.source.partition for batch in batches], dtype=np.int32)
        return cls(
            topic=batches[0].source.topic,
            records=[record for batch in batches for record in batch.records],
            partitions=np.repeat(numbers, [len(batch) for batch in batches]),
        )

    def poison(self, number: int, reason: Reason, error: str) -> Poison:
        source = Partition(self.topic, int(self.partitions[number]))
        return Poison(source, self.records[number], reason, error)


def _empty(columns: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=columns)
