"""Records of Kafka as lines of the tail, whatever their bytes are."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Message

from api.events.log_follower import partitions_of_interest
from api.events.record_decoder import RecordDecoder
from api.events.tail_records import TailRecord
from core.errors import RegistryUnavailable
from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from schemas.codec import Encoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.topics import Topics
from tests.schemas.memory_registry import MemoryRegistry

TOPICS = Topics("c.sessions", "c.events", "c.marks", "c.dead-letters", "c.erasures")
IDS = {"session_id": "s", "received_at": 2}
EVENT_FIELDS = {**IDS, "event_id": "e", "object_id": "o", "event_type": "buy", "created_at": 1}


class Record:
    """As `confluent_kafka.Message`, which cannot be made by hand."""

    def __init__(self, topic: str, value: bytes | None, key: bytes | None = b"s") -> None:
        self._topic = topic
        self._value = value
        self._key = key
        self.of_worker: list[tuple[str, bytes | None]] | None = None

    def topic(self) -> str:
        return self._topic

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> Any:
        return self.of_worker

    def timestamp(self) -> tuple[int, int]:
        return 2, 1_700_000_000_000


def decoder_and_encode() -> tuple[RecordDecoder, Any]:
    registry = MemoryRegistry()

    def encode(contract: Contract, record: dict[str, Any]) -> bytes:
        schema_id = registry.register(TOPICS.subject_of(contract), contract.text)
        return Encoder(contract, schema_id).encode(record)

    return RecordDecoder(TOPICS, registry), encode


def test_the_message_has_what_is_used_of_it() -> None:
    assert all(hasattr(Message, name) for name in ("topic", "key", "value", "headers", "timestamp"))


def test_sessions_events_and_marks() -> None:
    decoder, encode = decoder_and_encode()
    results = [{"object_id": "o", "rank": None, "meta": None}] * 3
    search = {**IDS, "search_query": "q", "search_results": results, "created_at": 1}
    sent: list[tuple[str, Contract, dict[str, Any]]] = [
        (TOPICS.sessions, SESSION, {**search, "user_id": "ann"}),
        (TOPICS.events, EVENT, EVENT_FIELDS),
        (TOPICS.marks, MARK, {**IDS, "is_irrelevant": True, "marked_by": None}),
    ]
    lines = [
        decoder.decode(Record(topic, encode(contract, record)), 0.0)
        for topic, contract, record in sent
    ]
    at = 1_700_000_000_000
    assert lines == [
        TailRecord("accepted", at, "session", "s", user_id="ann", search_query="q", results=3),
        TailRecord("accepted", at, "event", "s", "e", "o", "buy"),
        TailRecord("accepted", at, "mark", "s", is_irrelevant=True),
    ]


@pytest.mark.parametrize("value", [None, b"", b"no Avro", b"\x00\x00\x00\x00\x63", b"\x00" * 9])
@pytest.mark.parametrize("key", [None, b"\xff\xfe", b"s"])
def test_what_cannot_be_read_is_named_by_its_key(value: bytes | None, key: bytes | None) -> None:
    decoder, _ = decoder_and_encode()
    line = decoder.decode(Record(TOPICS.events, value, key), 0.0)
    assert (line.state, line.kind, line.event_id) == ("accepted", "event", None)
    assert line.session_id == (None if key is None else key.decode("utf-8", "replace"))


def test_a_dead_letter_says_why_by_the_last_headers_and_has_the_ids_of_its_event() -> None:
    decoder, encode = decoder_and_encode()
    record = Record(TOPICS.dead_letters, encode(EVENT, EVENT_FIELDS))
    record.of_worker = [
        *(("reason", b"made up"), ("topic", b"c.marks"), ("error", None)),
        *(("reason", b"too_many_waiting"), ("topic", b"c.events"), ("error", b"x" * 2_000)),
    ]
    line = decoder.decode(record, 0.0)
    assert (line.state, line.kind, line.reason) == ("refused", "event", "too_many_waiting")
    assert (line.session_id, line.event_id) == ("s", "e")
    assert line.error == "x" * 500


@pytest.mark.parametrize("headers", [None, [], [("topic", b"\xff")], [("topic", b"elsewhere")]])
def test_a_dead_letter_of_another_program_is_shown_all_the_same(headers: Any) -> None:
    decoder, _ = decoder_and_encode()
    record = Record(TOPICS.dead_letters, b"no Avro")
    record.of_worker = headers
    line = decoder.decode(record, 0.0)
    assert (line.state, line.kind, line.session_id) == ("refused", None, "s")


def test_a_registry_that_is_away_is_asked_again_after_a_while() -> None:
    class Away(MemoryRegistry):
        asked = 0

        def schema(self, schema_id: int) -> str:
            self.asked += 1
            raise RegistryUnavailable(f"no answer about {schema_id}")

    registry = Away()
    decoder = RecordDecoder(TOPICS, registry)
    record = Record(TOPICS.events, b"\x00\x00\x00\x00\x07rest")
    for now in (0.0, 1.0, 9.9, 10.1, 11.0):
        assert decoder.decode(record, now).session_id == "s"
    assert registry.asked == 2


def test_of_one_session_its_partition_is_read_and_dead_letters_wherever_they_lie() -> None:
    found = partitions_of_interest(TOPICS, 8, "s")
    number = partition_of("s", 8)
    assert [place for place in found if place.topic != TOPICS.dead_letters] == [
        Partition(topic, number) for topic in (TOPICS.sessions, TOPICS.events, TOPICS.marks)
    ]
    assert len([place for place in found if place.topic == TOPICS.dead_letters]) == 8
    assert len(partitions_of_interest(TOPICS, 8, None)) == 32
