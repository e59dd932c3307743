"""Fetched bytes → Arrow, a whole batch at a time; what cannot be read is set aside as poison.

The verdict on a record never depends on its neighbours: a batch that does not decode is halved
until the culprits stand alone, and the same decoder judges them there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
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
from stream_processors.fetched import FetchedBatch, Partition, Record, Records

Rows = npt.NDArray[np.int64]

# Values decoded at once: a Python object of each fits the processor's cache until it is freed.
_AT_ONCE = 8_192

# Bytes of the wire format before the Avro body, and what they are as fields.
_SKIP = len(header(0))
_MAGIC = "_magic"
_SCHEMA_ID = "_schema_id"


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
        self._framed_text = _framed(contract)
        self._schema_id_bits = np.frombuffer(header(schema_id)[1:], dtype=np.int32)[0]
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
        decoded = self._decode_framed(pile.records.values)
        kept = np.arange(len(pile.records))
        if decoded is None:
            bodies, wrapped = self._unwrap(pile, poison)
            decoded, kept = self._to_arrow(bodies, wrapped, pile, poison)
        return self._sift(decoded, kept, pile, poison)

    def _decode_framed(self, values: pa.BinaryArray) -> pa.RecordBatch | None:
        """All values at once when they are all well and in our own schema, the usual case; else
        None, which says nothing about any one of them."""
        if values.null_count:
            return None
        try:
            framed = pa.concat_batches(
                pyruhvro.deserialize_array(
                    values.slice(first, _AT_ONCE).to_pylist(), self._framed_text
                )
                for first in range(0, len(values), _AT_ONCE)
            )
            # pyruhvro trusts the bytes of strings; ClickHouse and JSON must not meet bad UTF-8.
            framed.validate(full=True)
        except ValueError:
            return None
        ids = framed[_SCHEMA_ID].to_numpy().view(np.int32)
        if framed[_MAGIC].true_count or not (ids == self._schema_id_bits).all():
            return None
        return framed.select(self._columns.names)

    def _unwrap(self, pile: _Pile, poison: list[Poison]) -> tuple[list[bytes], Rows]:
        """Avro bodies in our own schema, without their header; and whose they are."""
        bodies, kept = [], []
        for row, value in enumerate(pile.records.values.to_pylist()):
            try:
                bodies.append(self._body(value))
            except PoisonRecord as error:
                poison.append(pile.poison(row, Reason(error.reason), str(error)))
            else:
                kept.append(row)
        return bodies, np.array(kept, dtype=np.int64)

    def _body(self, value: bytes | None) -> bytes:
        if value is None:
            raise PoisonRecord(Reason.NULL_VALUE, "the record has no value")
        if value[:_SKIP] == self._header:
            return value[_SKIP:]
        return self._encode.encode(self._resolve.decode(value))[_SKIP:]

    def _to_arrow(
        self, bodies: list[bytes], kept: Rows, pile: _Pile, poison: list[Poison]
    ) -> tuple[pa.RecordBatch, Rows]:
        if not bodies:
            return _empty(self._columns), kept
        try:
            decoded = pyruhvro.deserialize_array(bodies, self._text)
            decoded.validate(full=True)
        except ValueError as error:
            if len(bodies) == 1:
                poison.append(pile.poison(int(kept[0]), Reason.UNDECODABLE, str(error)))
                return _empty(self._columns), kept[:0]
            middle = len(bodies) // 2
            left, left_kept = self._to_arrow(bodies[:middle], kept[:middle], pile, poison)
            right, right_kept = self._to_arrow(bodies[middle:], kept[middle:], pile, poison)
            return pa.concat_batches([left, right]), np.concatenate([left_kept, right_kept])
        return decoded, kept

    def _sift(
        self, decoded: pa.RecordBatch, kept: Rows, pile: _Pile, poison: list[Poison]
    ) -> Decoded:
        """Set aside what decodes but breaks the contract."""
        keys, offsets, partitions = pile.records.keys, pile.records.offsets, pile.partitions
        if len(kept) < len(offsets):
            keys, offsets, partitions = keys.take(pa.array(kept)), offsets[kept], partitions[kept]
        good = np.ones(len(kept), dtype=bool)
        for breach in self._breaches(decoded, keys, partitions):
            if breach.rows.any():
                poison.extend(
                    pile.poison(int(kept[row]), breach.reason, breach.error)
                    for row in np.flatnonzero(breach.rows & good)
                )
                good &= ~breach.rows
        rows = pa.Table.from_batches([decoded])
        rows = rows.append_column("kafka_offset", pa.array(offsets))
        rows = rows.append_column("kafka_partition", pa.array(partitions.astype(np.uint32)))
        return Decoded(rows if good.all() else rows.filter(pa.array(good)), tuple(poison))

    def _breaches(
        self, decoded: pa.RecordBatch, keys: pa.BinaryArray, partitions: Partitions
    ) -> Iterator[Breach]:
        yield wrong_key(keys, decoded["session_id"])
        yield wrong_partition(decoded["session_id"], partitions, self._partitions)
        yield from invalid_fields(decoded)


@dataclass(frozen=True, slots=True)
class _Pile:
    """The records of many batches of one topic, one after the other, and each one's partition."""

    topic: str
    records: Records
    partitions: Partitions

    @classmethod
    def of(cls, batches: Sequence[FetchedBatch]) -> _Pile:
        numbers = np.array([batch.source.partition for batch in batches], dtype=np.int32)
        return cls(
            topic=batches[0].source.topic,
            records=Records.concat([part for batch in batches for part in batch.parts]),
            partitions=np.repeat(numbers, [len(batch) for batch in batches]),
        )

    def poison(self, row: int, reason: Reason, error: str) -> Poison:
        source = Partition(self.topic, int(self.partitions[row]))
        return Poison(source, self.records.record(row), reason, error)


def _framed(contract: Contract) -> str:
    """The contract's schema with the five bytes of the wire format in front, as fields.

    A boolean is one byte in Avro and a float is four: the magic byte and the schema id are decoded
    with everything else, and no value has to be cut.
    """
    schema = json.loads(contract.text)
    frame = [{"name": _MAGIC, "type": "boolean"}, {"name": _SCHEMA_ID, "type": "float"}]
    return json.dumps({**schema, "fields": [*frame, *schema["fields"]]})


def _empty(columns: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=columns)
