"""Whatever the bytes are, rows or rejected records come out: no error, the same in any company.

The inputs are seeded, a new seed for each block; `make faults` asks for a million of them.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pytest

from core.errors import RecordRejected
from core.json_text import compact
from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from schemas.codec import Decoder, Encoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.dead_letters import Reason
from stream_processors.consume.batches import FetchedBatch, Record, Records
from stream_processors.decode.batch import BatchDecoder, Decoded
from tests.fuzz.mutate import Mutator
from tests.schemas.memory_registry import MemoryRegistry
from tests.stream_processors.records import PARTITIONS, TOPICS, event, mark, session

INPUTS: Final = int(os.environ.get("CLICKSTREAM_TEST_FUZZ", "6000"))

# Values decoded together; one in `AGAIN` of them is decoded a second time among others, and one in
# `ALONE` by itself and by fastavro.
BLOCK: Final = 1_000
AGAIN: Final = 5
ALONE: Final = 20

# Longer lists than the others, nested metas, every union both ways, letters of two to four bytes.
RESULT: Final = {"object_id": "é€𝄞", "rank": 0.5, "meta": '{"a": [1, null, "x"]}'}
GOOD: Final[dict[str, Sequence[dict[str, Any]]]] = {
    EVENT.name: [event("s", "e"), event("s", "é" * 70, meta='{"a": {}}'), event("s", "e" * 300)],
    MARK.name: [mark("s"), {**mark("s", is_irrelevant=False), "marked_by": "key"}],
    SESSION.name: [
        session("s"),
        session("s", []),
        {
            **session("s", user_id="u", sort_by="{}", search_meta='{"ms": 1}'),
            "search_results": [RESULT, {**RESULT, "rank": None, "meta": None}] * 40,
        },
    ],
}

Outcome = tuple[str, object]


class Codec:
    """The decoder of one topic, with a registry that knows two versions of its record."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        registry = MemoryRegistry()
        self.schema_id = registry.register("ours", contract.text)
        registry.register("foreign", '{"type": "string"}')
        self.fast = BatchDecoder(
            contract, self.schema_id, registry, PARTITIONS, most_bytes=100_000, pause=lambda: None
        )
        self.reference = Decoder(contract, registry)
        self.corpus = [
            Encoder(contract, self.schema_id).encode(record) for record in GOOD[contract.name]
        ]
        self._source = Partition(TOPICS.topic_of(contract), partition_of("s", PARTITIONS))

    def decode(self, values: Sequence[tuple[int, bytes | None]]) -> dict[int, Outcome]:
        """By number: the row without its place in the log, or the reason."""
        records = Records.of(Record(number, b"s", value) for number, value in values)
        batch = FetchedBatch(self._source, 1, 0, len(values), [records])
        return outcomes(self.fast.decode([batch]))


def outcomes(decoded: Decoded) -> dict[int, Outcome]:
    found: dict[int, Outcome] = {
        one.record.offset: ("rejected", one.reason) for one in decoded.rejected
    }
    for number, row in zip(decoded.rows["kafka_offset"].to_pylist(), rows(decoded), strict=True):
        assert number not in found
        found[number] = ("row", str(row))  # as text: NaN is equal to itself
    return found


def rows(decoded: Decoded) -> list[dict[str, Any]]:
    """As fastavro has them: without their place in the log, times as integers."""
    columns = {
        name: decoded.rows[name].cast(pa.int64()) if name.endswith("_at") else decoded.rows[name]
        for name in decoded.rows.schema.names
        if not name.startswith("kafka_")
    }
    found: list[dict[str, Any]] = pa.table(columns).to_pylist()
    return found


@pytest.fixture(params=[EVENT, SESSION, MARK], ids=lambda contract: contract.name)
def codec(request: pytest.FixtureRequest) -> Codec:
    return Codec(request.param)


@pytest.mark.timeout(1_800)
def test_any_bytes_are_rows_or_rejected_whatever_their_neighbours_are(codec: Codec) -> None:
    for seed in range(math.ceil(INPUTS / 3 / BLOCK)):
        values = list(enumerate(Mutator(seed, codec.corpus).values(BLOCK)))
        found = codec.decode(values)
        assert found.keys() == dict(values).keys()

        shuffled = random.Random(seed).sample(values, len(values))
        few = shuffled[::AGAIN]
        assert codec.decode(few) == {number: found[number] for number, _ in few}
        for number, value in shuffled[::ALONE]:
            assert codec.decode([(number, value)]) == {number: found[number]}
            agrees_with_fastavro(codec, value, found[number])


# What the contract demands beyond what Avro can say: fastavro knows nothing of these.
_BEYOND_AVRO = frozenset(
    {Reason.INVALID_RECORD, Reason.WRONG_KEY, Reason.WRONG_PARTITION, Reason.OVERSIZE}
)


def _with_compact_metas(value: Any, name: str = "") -> Any:
    """The one thing that is changed in a record that is taken."""
    if isinstance(value, dict):
        return {key: _with_compact_metas(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_compact_metas(each) for each in value]
    is_meta = name in ("meta", "search_meta", "payload_filter", "sort_by")
    return compact(value) if is_meta and value is not None else value


def agrees_with_fastavro(codec: Codec, value: bytes | None, found: Outcome) -> None:
    """What is taken is what fastavro reads. It also takes what no encoder writes: numbers of more
    bytes than they need, and other truths than 0 and 1."""
    if value is None:
        assert found == ("rejected", Reason.NULL_VALUE)
        return
    try:
        record = codec.reference.decode(value)
    except RecordRejected:
        assert found[0] == "rejected", value.hex()
        assert found[1] not in _BEYOND_AVRO
        return
    if found[0] == "row":
        assert found == ("row", str(_with_compact_metas(record))), value.hex()
    elif found[1] not in _BEYOND_AVRO:
        assert found == ("rejected", Reason.UNDECODABLE)
        assert Encoder(codec.contract, codec.schema_id).encode(record) != value
