"""Fetched bytes → Arrow, a whole batch at a time; what cannot be read is rejected.

The verdict on a record never depends on its neighbours: a batch that does not decode is halved
until the culprits stand alone, and the same decoder judges them there.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyruhvro

from core.errors import RecordRejected
from core.kafka.partitions import Partition
from schemas.avro_size import CanonicalSize
from schemas.codec import header
from schemas.contracts import Contract
from schemas.dead_letters import Reason
from schemas.registry import SchemaRegistry
from stream_processors.consume.batches import FetchedBatch, Record, Records, portions
from stream_processors.decode.compact_metas import compact_metas
from stream_processors.decode.contract_checks import (
    ContractViolation,
    Partitions,
    invalid_fields,
    wrong_key,
    wrong_partition,
)
from stream_processors.decode.other_schemas import SKIP, OtherSchemaReader
from stream_processors.decode.oversize import cut, kept_bytes, sizes

Rows = npt.NDArray[np.int64]

# Values decoded at once: a Python object of each fits the processor's cache until it is freed.
_AT_ONCE = 8_192

# Bytes of batches that are decoded at once. Three copies of them are there meanwhile: what was
# fetched in one place, what pyruhvro made of it, and that in one place.
_PIECE_BYTES = 8 * 2**20

# The fields of the wire format before the Avro body.
_MAGIC = "_magic"
_SCHEMA_ID = "_schema_id"

# Between two looks at a schema id that the registry does not know; once for each piece. Well
# above the delay between two nodes of a registry, and hardly felt by readers of fresh data.
_before_second_look = partial(time.sleep, 0.5)


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """One record that can never be processed, and why.

    `record` is as it was, but for the last `cut_bytes` bytes of one too large to keep.
    """

    source: Partition
    record: Record
    reason: Reason
    error: str
    cut_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """`rows` have the contract's columns, `kafka_partition` and `kafka_offset`.

    `fetched` is what they were decoded of.
    """

    rows: pa.Table
    rejected: tuple[RejectedRecord, ...]
    fetched: Sequence[FetchedBatch] = ()

    def reject(self, partition: int, offset: int, reason: Reason, error: str) -> RejectedRecord:
        """A record of `rows` that is rejected all the same, as it came."""
        for batch in self.fetched:
            if batch.source.partition == partition and batch.first <= offset < batch.next:
                for part in batch.parts:
                    row = int(np.searchsorted(part.offsets, offset))
                    if row < len(part) and part.offsets[row] == offset:
                        return RejectedRecord(batch.source, part.record(row), reason, error)
        raise LookupError(f"no record of offset {offset} was fetched from partition {partition}")


class BatchDecoder:
    """Decodes the batches of one topic.

    Records written with exactly our schema go to Arrow whole; those of another registered version
    are resolved to ours one by one by fastavro, the codec of record.
    """

    def __init__(
        self,
        contract: Contract,
        schema_id: int,
        registry: SchemaRegistry,
        partitions: int,
        *,
        most_bytes: int = sys.maxsize,
        pause: Callable[[], None] = _before_second_look,
    ) -> None:
        """A record of more than `most_bytes` is rejected. `pause`: see `OtherSchemaReader`."""
        self._text = contract.text
        self._framed_text = _framed(contract)
        self._canonical_size = CanonicalSize(contract.text)
        self._schema_id_bits = np.frombuffer(header(schema_id)[1:], dtype=np.int32)[0]
        self._columns: pa.Schema = pyruhvro.avro_to_arrow_schema(contract.text)
        self._nothing = pa.RecordBatch.from_pylist([], schema=self._columns)
        self._other_schemas = OtherSchemaReader(contract, schema_id, registry, pause)
        self._partitions = partitions
        self._most_bytes = most_bytes

    def decode(self, batches: Sequence[FetchedBatch]) -> Decoded:
        """All batches of our topic at once: a busy worker fetches many small ones.

        Raises RegistryUnavailable; everything else that goes wrong is rejected.
        """
        parts = [self._decode(piece) for piece in portions(batches, _PIECE_BYTES)]
        rejected = tuple(found for part in parts for found in part.rejected)
        return Decoded(pa.concat_tables(part.rows for part in parts), rejected, tuple(batches))

    def _decode(self, batches: Sequence[FetchedBatch]) -> Decoded:
        fetched = _Concatenated.of(batches)
        rejected: list[RejectedRecord] = []
        no_record = np.zeros(len(fetched.records), dtype=bool)
        no_record[list(fetched.records.undecodable)] = True
        too_large = (sizes(fetched.records) > self._most_bytes) & ~no_record
        unread = too_large | no_record
        decoded = None if unread.any() else self._decode_framed(fetched.records.values)
        kept = np.arange(len(fetched.records))
        if decoded is None:
            rejected += self._oversize(fetched, np.flatnonzero(too_large))
            rejected += self._undecodable(fetched)
            bodies, rows = self._read_one_by_one(fetched, np.flatnonzero(~unread), rejected)
            decoded, kept = self._to_arrow(bodies, rows, fetched, rejected)
        return self._sift(decoded, kept, fetched, rejected)

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
        decoded = framed.select(self._columns.names)
        # Nor does it say whether anything follows a record.
        expected = self._canonical_size.of(decoded) + SKIP * len(values)
        return decoded if expected == pc.sum(pc.binary_length(values)).as_py() else None

    def _oversize(self, fetched: _Concatenated, rows: Rows) -> Iterator[RejectedRecord]:
        """Nobody reads them, and what is kept of them is bounded."""
        error = f"key, value and headers are longer than {self._most_bytes:,} bytes"
        for row in rows:
            yield self._cut(fetched, int(row), Reason.OVERSIZE, error)

    def _undecodable(self, fetched: _Concatenated) -> Iterator[RejectedRecord]:
        for row, error in fetched.records.undecodable.items():
            yield self._cut(fetched, row, Reason.UNDECODABLE_BATCH, error)

    def _cut(self, fetched: _Concatenated, row: int, reason: Reason, error: str) -> RejectedRecord:
        record, cut_bytes = cut(fetched.records.record(row), kept_bytes(self._most_bytes))
        return RejectedRecord(fetched.partition_of(row), record, reason, error, cut_bytes)

    def _read_one_by_one(
        self, fetched: _Concatenated, rows: Rows, rejected: list[RejectedRecord]
    ) -> tuple[list[bytes], Rows]:
        """Avro bodies in our own schema, without their header; and whose they are."""
        values = fetched.records.values.take(pa.array(rows)).to_pylist()
        found = self._other_schemas.read(values)
        for row, error in found.rejected.items():
            rejected.append(fetched.reject(int(rows[row]), Reason(error.reason), str(error)))
        good = sorted(found.bodies)
        return [found.bodies[row] for row in good], rows[np.array(good, dtype=np.int64)]

    def _to_arrow(
        self,
        bodies: list[bytes],
        kept: Rows,
        fetched: _Concatenated,
        rejected: list[RejectedRecord],
    ) -> tuple[pa.RecordBatch, Rows]:
        """Those that decode, in their order, and whose they are. What does not is halved until the
        culprits stand alone."""
        good = [self._nothing]
        kept_rows = [kept[:0]]
        waiting = [(0, len(bodies))] if bodies else []
        while waiting:
            first, end = waiting.pop()
            try:
                decoded = self._read(bodies[first:end])
            except RecordRejected as error:
                rejected.append(fetched.reject(int(kept[first]), Reason(error.reason), str(error)))
                continue
            if decoded is None:
                middle = (first + end) // 2
                waiting += [(middle, end), (first, middle)]
            else:
                good.append(decoded)
                kept_rows.append(kept[first:end])
        return pa.concat_batches(good), np.concatenate(kept_rows)

    def _read(self, bodies: list[bytes]) -> pa.RecordBatch | None:
        """All of them; None when one of several may be bad. Raises RecordRejected for one alone."""
        alone = len(bodies) == 1
        try:
            decoded = pyruhvro.deserialize_array(bodies, self._text)
            decoded.validate(full=True)
        except ValueError as error:
            if alone:
                raise RecordRejected(Reason.UNDECODABLE, str(error)) from error
            return None
        if self._canonical_size.of(decoded) == sum(map(len, bodies)):
            return decoded
        if alone:
            self._other_schemas.check(bodies[0])  # either an unusual way to write it, or too long
            return decoded
        return None

    def _sift(
        self,
        decoded: pa.RecordBatch,
        kept: Rows,
        fetched: _Concatenated,
        rejected: list[RejectedRecord],
    ) -> Decoded:
        """Set aside what decodes but breaks the contract."""
        decoded = compact_metas(decoded)
        keys, offsets, partitions = (
            fetched.records.keys,
            fetched.records.offsets,
            fetched.partitions,
        )
        if len(kept) < len(offsets):
            keys, offsets, partitions = keys.take(pa.array(kept)), offsets[kept], partitions[kept]
        good = np.ones(len(kept), dtype=bool)
        for violation in self._violations(decoded, keys, partitions):
            if violation.rows.any():
                rejected.extend(
                    fetched.reject(int(kept[row]), violation.reason, violation.error)
                    for row in np.flatnonzero(violation.rows & good)
                )
                good &= ~violation.rows
        rows = pa.Table.from_batches([decoded])
        rows = rows.append_column("kafka_offset", pa.array(offsets))
        rows = rows.append_column("kafka_partition", pa.array(partitions.astype(np.uint32)))
        return Decoded(rows if good.all() else rows.filter(pa.array(good)), tuple(rejected))

    def _violations(
        self, decoded: pa.RecordBatch, keys: pa.BinaryArray, partitions: Partitions
    ) -> Iterator[ContractViolation]:
        yield wrong_key(keys, decoded["session_id"])
        yield wrong_partition(decoded["session_id"], partitions, self._partitions)
        yield from invalid_fields(decoded)


@dataclass(frozen=True, slots=True)
class _Concatenated:
    """The records of many batches of one topic, one after the other, and each one's partition."""

    topic: str
    records: Records
    partitions: Partitions

    @classmethod
    def of(cls, batches: Sequence[FetchedBatch]) -> _Concatenated:
        numbers = np.array([batch.source.partition for batch in batches], dtype=np.int32)
        return cls(
            topic=batches[0].source.topic,
            records=Records.concat([part for batch in batches for part in batch.parts]),
            partitions=np.repeat(numbers, [len(batch) for batch in batches]),
        )

    def partition_of(self, row: int) -> Partition:
        return Partition(self.topic, int(self.partitions[row]))

    def reject(self, row: int, reason: Reason, error: str) -> RejectedRecord:
        return RejectedRecord(self.partition_of(row), self.records.record(row), reason, error)


def _framed(contract: Contract) -> str:
    """The contract's schema with the five bytes of the wire format in front, as fields.

    A boolean is one byte in Avro and a float is four: the magic byte and the schema id are decoded
    with everything else, and no value has to be cut.
    """
    schema = json.loads(contract.text)
    frame = [{"name": _MAGIC, "type": "boolean"}, {"name": _SCHEMA_ID, "type": "float"}]
    return json.dumps({**schema, "fields": [*frame, *schema["fields"]]})
