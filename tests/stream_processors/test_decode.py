from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Encoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.dead_letters import Reason
from schemas.partitioner import partition_of
from schemas.registry import MemoryRegistry
from stream_processors.decode import BatchDecoder, Decoded
from stream_processors.fetched import FetchedBatch, Partition, Record, Records
from tests.stream_processors.records import (
    NOW_MS,
    PARTITIONS,
    TOPICS,
    event,
    mark,
    session,
)

SCHEMA_ID = 7


def encoder(contract: Contract = EVENT) -> Encoder:
    return Encoder(contract, SCHEMA_ID)


def record(offset: int, value: bytes | None, key: str = "s") -> Record:
    return Record(offset, key.encode(), value)


def decode(
    *records: Record,
    contract: Contract = EVENT,
    partition: int | None = None,
    registry: MemoryRegistry | None = None,
) -> Decoded:
    number = partition_of("s", PARTITIONS) if partition is None else partition
    source = Partition(TOPICS.topic_of(contract), number)
    batch = FetchedBatch(source, 1, 0, len(records), [Records.of(records)])
    return BatchDecoder(contract, SCHEMA_ID, registry or MemoryRegistry(), PARTITIONS).decode(
        [batch]
    )


def reasons(decoded: Decoded) -> list[tuple[int, Reason]]:
    return [(poison.record.offset, poison.reason) for poison in decoded.poison]


def test_rows_carry_the_records_place_in_the_log() -> None:
    decoded = decode(record(41, encoder().encode(event("s", "e"))))
    row = decoded.rows.to_pylist()[0]
    assert (row["event_id"], row["kafka_offset"]) == ("e", 41)
    assert row["kafka_partition"] == partition_of("s", PARTITIONS)


def test_sessions_and_marks_decode_with_their_own_columns() -> None:
    found = decode(record(0, encoder(SESSION).encode(session("s", ["x"]))), contract=SESSION)
    assert found.rows["search_results"].to_pylist()[0][0]["object_id"] == "x"
    found = decode(record(0, encoder(MARK).encode(mark("s"))), contract=MARK)
    assert found.rows["is_irrelevant"].to_pylist() == [True]


def test_good_records_around_poison_are_unharmed() -> None:
    good = encoder().encode(event("s", "e"))
    decoded = decode(record(0, good), record(1, good[:9]), record(2, good), record(3, b"\x01junk"))
    assert decoded.rows["kafka_offset"].to_pylist() == [0, 2]
    assert reasons(decoded) == [(3, Reason.BAD_MAGIC_BYTE), (1, Reason.UNDECODABLE)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.NULL_VALUE),
        (b"", Reason.BAD_MAGIC_BYTE),
        (b"\x00\x00\x00\x00\x63rest", Reason.UNKNOWN_SCHEMA_ID),
        (encoder().encode(event("s", "e"))[:-3], Reason.UNDECODABLE),
        (encoder().encode(event("s", "é")).replace("é".encode(), b"\xff\xfe"), Reason.UNDECODABLE),
        (encoder().encode(event("s", "")), Reason.INVALID_RECORD),
        (encoder().encode(event("s", "e", "")), Reason.INVALID_RECORD),
        (encoder().encode(event("s", "e", created_at=NOW_MS // 1000)), Reason.INVALID_RECORD),
        (encoder().encode(event("s", "e", created_at=NOW_MS * 1000)), Reason.INVALID_RECORD),
        (encoder().encode(event("s", "e", meta="{oops")), Reason.INVALID_RECORD),
        (encoder().encode(event("s", "e", meta="[" * 100_000)), Reason.INVALID_RECORD),
        (encoder().encode(event("t", "e")), Reason.WRONG_KEY),
    ],
)
def test_each_kind_of_poison_has_its_reason(value: bytes | None, reason: Reason) -> None:
    decoded = decode(record(5, value))
    assert decoded.rows.num_rows == 0
    assert reasons(decoded) == [(5, reason)]


@pytest.mark.parametrize("broken", [{"meta": "{oops"}, {"rank": float("nan")}])
def test_one_broken_result_makes_its_session_poison_and_no_other(broken: dict[str, object]) -> None:
    def posted(*results: dict[str, object]) -> bytes:
        shown = [{"object_id": "a", "rank": None, "meta": None, **result} for result in results]
        return encoder(SESSION).encode({**session("s"), "search_results": shown})

    decoded = decode(
        record(0, posted({"meta": "{}"}, {"rank": 1.5})),
        record(1, posted({}, broken)),
        record(2, posted()),
        contract=SESSION,
    )
    assert decoded.rows["kafka_offset"].to_pylist() == [0, 2]
    assert reasons(decoded) == [(1, Reason.INVALID_RECORD)]


def test_a_record_without_a_key_or_off_its_partition_is_poison() -> None:
    value = encoder().encode(event("s", "e"))
    assert reasons(decode(Record(0, None, value))) == [(0, Reason.WRONG_KEY)]
    other = (partition_of("s", PARTITIONS) + 1) % PARTITIONS
    assert reasons(decode(record(0, value), partition=other)) == [(0, Reason.WRONG_PARTITION)]


def test_a_record_of_another_registered_version_is_resolved_to_ours() -> None:
    newer = json.loads(EVENT.text)
    newer["fields"].append({"name": "screen", "type": ["null", "string"], "default": None})
    registry = MemoryRegistry()
    contract = Contract("event", 2, EVENT.topic_suffix, json.dumps(newer), newer)
    id_ = registry.register("any", contract.text)
    value = Encoder(contract, id_).encode({**event("s", "e"), "screen": "wide"})
    decoded = decode(
        record(0, encoder().encode(event("s", "d"))), record(1, value), registry=registry
    )
    assert decoded.rows["event_id"].to_pylist() == ["d", "e"]
    assert "screen" not in decoded.rows.schema.names


good_values = st.integers(0, 99).map(lambda n: encoder().encode(event("s", f"e{n}")))
broken_values = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=60).map(lambda tail: b"\x00" + SCHEMA_ID.to_bytes(4, "big") + tail),
    st.tuples(good_values, st.integers(0, 30)).map(lambda pair: pair[0][: pair[1]]),
    st.none(),
)


@given(st.lists(st.one_of(good_values, broken_values), max_size=12))
def test_the_verdict_on_a_record_does_not_depend_on_its_neighbours(
    values: list[bytes | None],
) -> None:
    records = [record(offset, value) for offset, value in enumerate(values)]
    together = decode(*records)
    alone = [decode(one) for one in records]
    assert together.rows["kafka_offset"].to_pylist() == [
        offset for one in alone for offset in one.rows["kafka_offset"].to_pylist()
    ]
    assert sorted(reasons(together)) == sorted(pair for one in alone for pair in reasons(one))
    assert together.rows.num_rows + len(together.poison) == len(values)
