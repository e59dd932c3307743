from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RegistryUnavailable
from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from schemas.codec import Encoder, header
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.dead_letters import Reason
from schemas.registry import SchemaRegistry
from stream_processors.consume.batches import FetchedBatch, Record, Records
from stream_processors.decode import batch as decode_module
from stream_processors.decode.batch import BatchDecoder, Decoded
from tests.schemas.memory_registry import MemoryRegistry
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
    registry: SchemaRegistry | None = None,
    most_bytes: int = 1_000_000,
    pause: Callable[[], None] = lambda: None,
) -> Decoded:
    number = partition_of("s", PARTITIONS) if partition is None else partition
    source = Partition(TOPICS.topic_of(contract), number)
    batch = FetchedBatch(source, 1, 0, len(records), [Records.of(records)])
    decoder = BatchDecoder(
        contract,
        SCHEMA_ID,
        registry or registry_of(contract),
        PARTITIONS,
        most_bytes=most_bytes,
        pause=pause,
    )
    return decoder.decode([batch])


def registry_of(contract: Contract) -> MemoryRegistry:
    """One that has given out `SCHEMA_ID` for this contract."""
    registry = MemoryRegistry()
    fill(registry, contract)
    return registry


def fill(registry: MemoryRegistry, contract: Contract) -> None:
    for number in range(1, SCHEMA_ID):
        registry.register("earlier", json.dumps({"type": "fixed", "name": "F", "size": number}))
    assert registry.register("ours", contract.text) == SCHEMA_ID


def reasons(decoded: Decoded) -> list[tuple[int, Reason]]:
    return [(rejected.record.offset, rejected.reason) for rejected in decoded.rejected]


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


def test_good_records_around_rejected_ones_are_unharmed() -> None:
    good = encoder().encode(event("s", "e"))
    decoded = decode(record(0, good), record(1, good[:9]), record(2, good), record(3, b"\x01junk"))
    assert decoded.rows["kafka_offset"].to_pylist() == [0, 2]
    assert reasons(decoded) == [(3, Reason.BAD_MAGIC_BYTE), (1, Reason.UNDECODABLE)]


def test_a_batch_of_kafkas_that_nobody_can_read_is_rejected_cut_and_the_others_are_read() -> None:
    good = record(0, encoder().encode(event("s", "e")))
    records = Records.of([good, Record(1, None, b"x" * 5_000)])
    unread = replace(records, undecodable={1: "records 1 to 9: why"})
    source = Partition(TOPICS.topic_of(EVENT), partition_of("s", PARTITIONS))
    decoder = BatchDecoder(EVENT, SCHEMA_ID, registry_of(EVENT), PARTITIONS, most_bytes=1_000)
    decoded = decoder.decode([FetchedBatch(source, 1, 0, 10, [unread])])
    assert decoded.rows["kafka_offset"].to_pylist() == [0]
    (rejected,) = decoded.rejected
    assert (rejected.reason, rejected.error) == (Reason.UNDECODABLE_BATCH, "records 1 to 9: why")
    assert rejected.cut_bytes == 4_000


def test_batches_decode_to_the_same_in_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    good = encoder().encode(event("s", "e"))
    values = [good, good, good, b"\x01junk", good, good[:9], good, good]
    source = Partition(TOPICS.topic_of(EVENT), partition_of("s", PARTITIONS))
    batches = [
        FetchedBatch(source, 1, n, n + 1, [Records.of([record(n, value)])])
        for n, value in enumerate(values)
    ]
    decoder = BatchDecoder(EVENT, SCHEMA_ID, registry_of(EVENT), PARTITIONS, pause=lambda: None)
    whole = decoder.decode(batches)
    assert whole.rows["kafka_offset"].to_pylist() == [0, 1, 2, 4, 6, 7]
    for size in (1, batches[0].nbytes, 3 * batches[0].nbytes):
        monkeypatch.setattr(decode_module, "_PIECE_BYTES", size)
        in_pieces = decoder.decode(batches)
        assert in_pieces.rows.equals(whole.rows)
        assert sorted(reasons(in_pieces)) == sorted(reasons(whole))


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
def test_each_kind_of_rejection_has_its_reason(value: bytes | None, reason: Reason) -> None:
    decoded = decode(record(5, value))
    assert decoded.rows.num_rows == 0
    assert reasons(decoded) == [(5, reason)]


@pytest.mark.parametrize("broken", [{"meta": "{oops"}, {"rank": float("nan")}])
def test_one_broken_result_rejects_its_session_and_no_other(broken: dict[str, object]) -> None:
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


def test_a_record_without_a_key_or_off_its_partition_is_rejected() -> None:
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


def test_bytes_behind_a_record_reject_it_and_no_other() -> None:
    good = encoder().encode(event("s", "e"))
    decoded = decode(record(0, good), record(1, good + b"\x00"), record(2, good))
    assert decoded.rows["kafka_offset"].to_pylist() == [0, 2]
    assert reasons(decoded) == [(1, Reason.TRAILING_BYTES)]


def test_a_list_written_in_several_blocks_is_read() -> None:
    """As Java's blocking encoder writes it: longer than fastavro would, and right."""
    whole = encoder(SESSION).encode(session("s", ["a", "b"]))
    one = b"\x02%b\x00\x00"
    together = b"\x04" + one % b"a" + one % b"b" + b"\x00"
    assert together in whole
    apart = b"\x02" + one % b"a" + b"\x02" + one % b"b" + b"\x00"
    decoded = decode(record(0, whole.replace(together, apart)), contract=SESSION)
    shown = decoded.rows["search_results"].to_pylist()[0]
    assert [result["object_id"] for result in shown] == ["a", "b"]


def test_an_oversize_record_is_kept_as_far_as_a_dead_letter_goes() -> None:
    large = encoder().encode(event("s", "e", meta='"' + "x" * 500_000 + '"'))
    good = encoder().encode(event("s", "e"))
    decoded = decode(record(0, large), record(1, good), most_bytes=200_000)
    assert decoded.rows["kafka_offset"].to_pylist() == [1]
    (rejected,) = decoded.rejected
    assert (rejected.reason, rejected.cut_bytes) == (Reason.OVERSIZE, len(large) + 1 - 334_464)
    assert large.startswith(rejected.record.value or b"")
    assert decode(record(0, large), most_bytes=len(large) + 1).rejected == ()


NEWER_ID = SCHEMA_ID + 1


def newer_event() -> tuple[str, bytes]:
    """A schema that can be read as ours, and a record with its id."""
    schema = json.loads(EVENT.text)
    schema["fields"].append({"name": "screen", "type": ["null", "string"], "default": None})
    text = json.dumps(schema)
    value = Encoder(Contract("event", 2, EVENT.topic_suffix, text, schema), NEWER_ID)
    return text, value.encode(event("s", "e"))


def test_an_id_that_the_registry_hears_of_a_moment_later_rejects_nothing() -> None:
    registry = registry_of(EVENT)
    text, value = newer_event()
    decoded = decode(
        record(0, value), registry=registry, pause=lambda: registered(registry, text, NEWER_ID)
    )
    assert decoded.rejected == ()
    assert decoded.rows["event_id"].to_pylist() == ["e"]


def registered(registry: MemoryRegistry, text: str, schema_id: int) -> None:
    assert registry.register("newer", text) == schema_id


def test_one_unknown_id_is_asked_for_twice_however_many_records_have_it() -> None:
    class Counting(MemoryRegistry):
        asked = 0

        def schema(self, schema_id: int) -> str:
            self.asked += schema_id == 99
            return super().schema(schema_id)

    registry = Counting()
    fill(registry, EVENT)
    value = header(99) + b"rest"
    decoded = decode(*(record(n, value) for n in range(50)), registry=registry)
    assert {rejected.reason for rejected in decoded.rejected} == {Reason.UNKNOWN_SCHEMA_ID}
    assert (len(decoded.rejected), registry.asked) == (50, 2)


@pytest.mark.parametrize("look", [1, 2])
def test_a_registry_that_is_away_rejects_nothing_at_either_look(look: int) -> None:
    class GoingAway(MemoryRegistry):
        asked = 0

        def schema(self, schema_id: int) -> str:
            self.asked += schema_id == NEWER_ID
            if self.asked == look:
                raise RegistryUnavailable("away")
            return super().schema(schema_id)

    registry = GoingAway()
    fill(registry, EVENT)
    _, value = newer_event()
    with pytest.raises(RegistryUnavailable, match="away"):
        decode(record(0, value), record(1, b"junk"), registry=registry)


def test_a_registry_that_has_lost_our_own_schema_is_not_believed() -> None:
    _, value = newer_event()
    with pytest.raises(RegistryUnavailable, match="emptied, or is another one"):
        decode(record(0, value), registry=MemoryRegistry())


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
    assert together.rows.num_rows + len(together.rejected) == len(values)


@pytest.mark.parametrize(
    "spoiled",
    [
        session("s", user_id=""),
        session("s", user_id=" \u3000"),
        session("s", user_id="é" * 257),
        session("s", search_results=[{"object_id": "\t", "rank": None, "meta": None}]),
        session("s", search_meta='{"n":1e999}'),
        session("s", sort_by='{"n":18446744073709551616}'),
        session("s", search_results=[{"object_id": "o", "rank": None, "meta": "[" + "9" * 5000}]),
    ],
)
def test_what_no_read_could_take_is_rejected(spoiled: dict[str, object]) -> None:
    whole = session("s", user_id="é" * 256, search_meta='{"n":18446744073709551615,"s":"1e999"}')
    values = [encoder(SESSION).encode(one) for one in (whole, spoiled)]
    decoded = decode(record(0, values[0]), record(1, values[1]), contract=SESSION)
    assert reasons(decoded) == [(1, Reason.INVALID_RECORD)]


def test_a_list_with_more_places_than_a_position_can_count_is_rejected() -> None:
    one = {"object_id": "o", "rank": None, "meta": None}
    values = [
        encoder(SESSION).encode(session("s", search_results=[one] * places))
        for places in (65_535, 65_536)
    ]
    decoded = decode(record(0, values[0]), record(1, values[1]), contract=SESSION)
    assert reasons(decoded) == [(1, Reason.INVALID_RECORD)]


def test_metas_of_other_producers_become_compact() -> None:
    loose = '{\r\n "a b" : [ 1.0 ,\t1, 12345678901234567, "\\" x\\\\" ] }\n'
    tight = '{"a b":[1.0,1,12345678901234567,"\\" x\\\\"]}'
    results = [
        {"object_id": "x", "rank": 1.0, "meta": loose},
        {"object_id": "y", "rank": None, "meta": None},
        {"object_id": "z", "rank": None, "meta": tight},
    ]
    one = session("s", search_results=results, search_meta=loose, sort_by=None)
    other = session("s", search_results=[], search_meta=tight, payload_filter=loose)
    values = [encoder(SESSION).encode(each) for each in (one, other)]
    decoded = decode(record(0, values[0]), record(1, values[1]), contract=SESSION)
    assert decoded.rejected == ()
    first, second = decoded.rows.to_pylist()
    assert [result["meta"] for result in first["search_results"]] == [tight, None, tight]
    assert [result["object_id"] for result in first["search_results"]] == ["x", "y", "z"]
    assert (first["search_meta"], first["sort_by"]) == (tight, None)
    assert (second["search_meta"], second["payload_filter"]) == (tight, tight)
    assert second["search_results"] == []
