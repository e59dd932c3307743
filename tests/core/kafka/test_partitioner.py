from __future__ import annotations

import uuid
from collections import defaultdict
from typing import TYPE_CHECKING

import hypothesis
import pyarrow as pa
import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from confluent_kafka import KafkaError, Message, Producer
from hypothesis import strategies as st

from core.kafka.partitioner import murmur2, partition_of, partitions_of

if TYPE_CHECKING:
    from core.settings import Settings

# The vectors of Kafka's own UtilsTest.testMurmur2.
KAFKA_VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}

ids = st.text(max_size=40)


@pytest.mark.parametrize(("key", "expected"), KAFKA_VECTORS.items())
def test_murmur2_gives_the_values_of_kafkas_java_client(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected


@hypothesis.given(st.binary(max_size=100))
def test_murmur2_agrees_with_aiokafka(key: bytes) -> None:
    assert murmur2(key) & 0xFFFFFFFF == aiokafka_murmur2(key) & 0xFFFFFFFF


@hypothesis.given(
    st.lists(ids), st.integers(1, 1000), st.sampled_from([pa.string, pa.large_string])
)
def test_array_and_scalar_agree_for_any_unicode(
    session_ids: list[str], partitions: int, kind: object
) -> None:
    array = pa.array(session_ids, type=kind())  # type: ignore[operator]
    assert partitions_of(array, partitions).tolist() == [
        partition_of(session_id, partitions) for session_id in session_ids
    ]


@hypothesis.given(st.lists(ids, max_size=8), st.data())
def test_a_slice_of_an_array_is_read_from_its_own_beginning(
    session_ids: list[str], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(session_ids)))
    length = data.draw(st.integers(0, len(session_ids) - start))
    sliced = pa.array(session_ids, type=pa.string()).slice(start, length)
    assert partitions_of(sliced, 8).tolist() == [
        partition_of(session_id, 8) for session_id in session_ids[start : start + length]
    ]


@hypothesis.given(
    st.integers(0, 9).flatmap(lambda n: st.lists(st.text("aé", min_size=n, max_size=n)))
)
def test_ids_of_one_length_agree_too(session_ids: list[str]) -> None:
    """Of one length in bytes where they have no accents, which take two."""
    array = pa.array(["padding", *session_ids], type=pa.string()).slice(1)
    assert partitions_of(array, 8).tolist() == [partition_of(id_, 8) for id_ in session_ids]


def test_uuids_spread_over_all_partitions() -> None:
    array = pa.array([str(uuid.UUID(int=n * 7**40 % 2**128)) for n in range(10_000)])
    partitions = partitions_of(array, 8)
    assert partitions.dtype == "int32"
    assert {partitions.tolist().count(p) > 1_000 for p in range(8)} == {True}


def test_a_null_id_is_refused() -> None:
    with pytest.raises(ValueError, match="null"):
        partitions_of(pa.array(["a", None]), 8)


@pytest.mark.engines
def test_librdkafka_murmur2_random_puts_records_where_we_say(settings: Settings) -> None:
    topic = f"{settings.topics.prefix}sessions"
    session_ids = [str(uuid.uuid4()) for _ in range(50)] + ["a", "größe", "東京", "x" * 512, "\x00"]
    placed: dict[str, set[int | None]] = defaultdict(set)

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        assert error is None
        key = message.key()
        assert key is not None
        placed[key.decode()].add(message.partition())

    producer = Producer({**settings.kafka_options(), "partitioner": "murmur2_random"})
    for session_id in session_ids:
        producer.produce(topic, key=session_id.encode(), on_delivery=on_delivery)
    assert producer.flush(30) == 0

    partitions = settings.topics.partitions
    assert placed == {i: {partition_of(i, partitions)} for i in session_ids}
