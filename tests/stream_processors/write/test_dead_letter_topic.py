"""Letters on their topic, on a real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not marked as exported
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from core.errors import BrokerUnavailable
from core.kafka.partitions import Partition
from core.retrying import retry
from schemas.dead_letters import Attempt, Headers, Reason
from schemas.topics import Topics, max_dead_letter_bytes
from stream_processors.consume.batches import Record
from stream_processors.decode.batch import RejectedRecord
from stream_processors.write.dead_letter_topic import KafkaDeadLetters
from stream_processors.write.sink import DeadLetter
from tests.waiting import wait_until

if TYPE_CHECKING:
    from core.settings import Settings


def letter(value: bytes, headers: Headers = (), error: str = "why") -> DeadLetter:
    record = Record(1041, b"s", value, headers)
    return DeadLetter(
        RejectedRecord(Partition("t", 3), record, Reason.WRONG_KEY, error), 1_700_000_000_000, 0
    )


def dead_letters(settings: Settings, **options: Any) -> KafkaDeadLetters:
    producer = Producer(
        {
            **settings.kafka_options(),
            "message.max.bytes": max_dead_letter_bytes(settings),
            "log_level": 0,
            **options,
        }
    )
    return KafkaDeadLetters(producer, Topics.from_settings(settings).dead_letters)


def read(settings: Settings, count: int) -> list[Any]:
    topic = Topics.from_settings(settings).dead_letters
    consumer = Consumer({**settings.kafka_options(), "group.id": "reader"})
    try:
        consumer.assign([TopicPartition(topic, n, 0) for n in range(settings.topics.partitions)])
        return [consumer.poll(30) for _ in range(count)]
    finally:
        consumer.close()


def stored(settings: Settings) -> int:
    """How many dead letters are there now."""
    topic = Topics.from_settings(settings).dead_letters
    consumer = Consumer({**settings.kafka_options(), "group.id": "reader"})
    try:
        places = [TopicPartition(topic, n) for n in range(settings.topics.partitions)]
        return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
    finally:
        consumer.close()


@pytest.mark.engines
def test_a_letter_is_the_record_with_our_headers_behind_its_own(settings: Settings) -> None:
    own: Headers = [("reason", b"its own"), ("empty", None)]
    large = b"\xff" * settings.limits.body_bytes  # more than a producer sends unless it is told to
    dead_letters(settings).publish([letter(large, own, "\ud800 is no text")])
    (found,) = read(settings, 1)
    assert (found.key(), found.value()) == (b"s", large)
    assert found.headers() == [
        *own,
        ("reason", b"wrong_key"),
        ("topic", b"t"),
        ("partition", b"3"),
        ("offset", b"1041"),
        ("error", b"\\ud800 is no text"),
        ("time", b"2023-11-14T22:13:20.000Z"),
        ("attempt", b"1"),
        ("cut_bytes", b"0"),
        ("epoch", b"0"),
    ]


@pytest.mark.engines
def test_more_letters_than_the_producers_queue_holds_are_all_published(settings: Settings) -> None:
    many = [letter(b"v") for _ in range(2_000)]
    dead_letters(settings, **{"queue.buffering.max.messages": 100}).publish(many)
    assert len(read(settings, 2_000)) == 2_000


def takes_at_most(admin: AdminClient, topic: str) -> str:
    """What the broker says; a change reaches it a moment after its acknowledgement."""
    (found,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return str(found.result(10)["max.message.bytes"].value)


@pytest.mark.engines
def test_a_topic_that_takes_too_little_does_not_stop_the_worker(settings: Settings) -> None:
    topic = Topics.from_settings(settings).dead_letters
    change = ConfigEntry("max.message.bytes", "10000", incremental_operation=AlterConfigOpType.SET)
    limit = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
    admin = AdminClient({**settings.kafka_options()})
    for done in admin.incremental_alter_configs([limit]).values():
        done.result(10)
    wait_until(lambda: takes_at_most(admin, topic) == "10000", seconds=30)
    repeated = Attempt(5, 6, 2).header()
    dead_letters(settings).publish([letter(b"\xff" * 50_000, [repeated]), letter(b"v")])
    found = {message.value(): dict(message.headers()) for message in read(settings, 2)}
    assert found.keys() == {None, b"v"}
    assert (found[None]["cut_bytes"], found[None]["attempt"]) == (b"50001", b"2")


def test_a_broker_that_is_away_is_an_error_to_try_again() -> None:
    producer = Producer(
        {"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 200, "log_level": 0}
    )
    with pytest.raises(BrokerUnavailable, match="could not be published"):
        KafkaDeadLetters(producer, "letters").publish([letter(b"v")])


def test_an_attempt_that_was_given_up_leaves_no_copy_in_the_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stream_processors.write.dead_letter_topic._ACK_SECONDS", 0.2)
    producer = Producer(
        {"bootstrap.servers": "127.0.0.1:1", "enable.idempotence": True, "log_level": 0}
    )
    letters = KafkaDeadLetters(producer, "letters")
    for _ in range(3):
        with pytest.raises(BrokerUnavailable, match="2 not acknowledged"):
            letters.publish([letter(b"v"), letter(b"w")])
        assert len(producer) == 0


@pytest.mark.engines
def test_after_attempts_that_were_given_up_the_next_is_published(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = dead_letters(settings, **{"enable.idempotence": True, "linger.ms": 20})
    letters.publish([letter(b"first")])
    with monkeypatch.context() as hurry:
        hurry.setattr("stream_processors.write.dead_letter_topic._ACK_SECONDS", 0.0)
        for n in range(20):
            with pytest.raises(BrokerUnavailable):
                letters.publish([letter(b"given up %d" % n)])
    retry(lambda: letters.publish([letter(b"last")]), seconds=30)
    copies = [message.value() for message in read(settings, stored(settings))]
    assert copies[0] == b"first"
    assert b"last" in copies
    assert len(copies) < 12, "the others were taken back"
