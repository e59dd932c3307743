"""RejectedRecord of every kind among good traffic, on real engines.

All of it is listed with its reason and keeps its bytes, all of the good is stored, no worker ends;
what is repaired and republished, twice, is stored exactly once.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from clickstream.operations.dead_letters import republish
from clickstream.operations.dead_letters.dead_letter import DeadLetterId, Selection, State
from clickstream.operations.dead_letters.store import DeadLetterStore
from core import clickhouse
from core.clock import SystemClock
from core.kafka.partitioner import partition_of
from schemas.codec import Encoder
from schemas.contracts import EVENT, SESSION
from schemas.dead_letters import Reason
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics
from tests.faults import poison
from tests.faults.lab.late_registry import LateRegistry
from tests.faults.poison import KINDS, Raw, SchemaIds
from tests.stream_processors.fleet import Fleet
from tests.stream_processors.records import session

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_200)]

# Records of good traffic, and one in a hundred more of poison; `make faults` asks for 20,000.
RECORDS = int(os.environ.get("CLICKSTREAM_TEST_POISON_RECORDS", "2500"))
EVENTS_PER_SESSION = 9

ANY = Selection(states=tuple(State))


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A poison record, its kind, and the event it could have been."""

    kind: str
    good: Raw
    raw: Raw
    event: tuple[str, str]


class Traffic:
    """Good records and poison, and where Kafka put the poison."""

    def __init__(self, settings: Settings, ids: SchemaIds, session_id: int) -> None:
        self._settings = settings
        self._topics = Topics.from_settings(settings)
        self._ids = ids
        self._session_encoder = Encoder(SESSION, session_id)
        self.sessions: set[str] = set()
        self.events: set[tuple[str, str]] = set()
        self.rejected: dict[DeadLetterId, Spoiled] = {}
        # Large when unpacked, small when packed: as the broker lets such a record pass.
        self._producer = Producer(
            {
                **settings.kafka_options(),
                "compression.type": "zstd",
                "message.max.bytes": 10_000_000,
                "linger.ms": 20,
                "log_level": 0,
            }
        )

    def send(self, records: int) -> None:
        """RejectedRecord is spread evenly, each kind in turn, at least twice each."""
        kinds = list(KINDS) * max(2, -(-records // 100 // len(KINDS)))
        every = max(1, records // len(kinds))
        for number in range(records):
            session_number, place = divmod(number, EVENTS_PER_SESSION + 1)
            session_id = f"s{session_number}"
            if place == 0:
                self._send_session(session_id)
            else:
                self._send(self._event(session_id, f"e{place}"))
                self.events.add((session_id, f"e{place}"))
            if number % every == 0 and kinds:
                self._spoil(kinds.pop(), session_id, f"p{number}")
            self._producer.poll(0)
        assert not kinds
        assert self._producer.flush(60) == 0

    def _event(self, session_id: str, event_id: str) -> Raw:
        partitions = self._settings.topics.partitions
        return poison.good_event(
            self._topics.events, session_id, event_id, partitions, self._ids.event
        )

    def _send_session(self, session_id: str) -> None:
        now = SystemClock().now_ms()
        record = session(session_id, created_at=now, received_at=now)
        value = self._session_encoder.encode(record)
        number = partition_of(session_id, self._settings.topics.partitions)
        self._send(Raw(self._topics.sessions, number, session_id.encode(), value))
        self.sessions.add(session_id)

    def _spoil(self, kind: str, session_id: str, event_id: str) -> None:
        good = self._event(session_id, event_id)
        _, spoil = KINDS[kind]
        raw = spoil(good, self._ids)
        own = [("trace", b"\x00\xff"), ("reason", b"its own"), ("empty", None)]
        spoiled = Raw(raw.topic, raw.partition, raw.key, raw.value, own)

        def on_delivery(error: Any, message: Any) -> None:
            assert error is None, error
            place = DeadLetterId(message.topic(), message.partition(), message.offset())
            self.rejected[place] = Spoiled(kind, good, spoiled, (session_id, event_id))

        self._send(spoiled, on_delivery)

    def _send(self, raw: Raw, on_delivery: Any = None) -> None:
        self._producer.produce(
            raw.topic,
            partition=raw.partition,
            key=raw.key,
            value=raw.value,
            headers=list(raw.headers),
            on_delivery=on_delivery,
        )


@pytest.fixture
def registry(settings: Settings) -> Iterator[LateRegistry]:
    with LateRegistry(settings.schema_registry_url) as late:
        yield late


@pytest.fixture
def ids(settings: Settings, registry: LateRegistry) -> SchemaIds:
    topics = Topics.from_settings(settings)
    prefix = settings.topics.prefix
    with SchemaRegistryClient({"url": settings.schema_registry_url}) as client:
        text = '{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}'
        json_schema = client.register_schema(f"{prefix}json-value", Schema(text, "JSON"))
    with ConfluentRegistry.from_settings(settings) as own:
        event = own.register(topics.subject_of(EVENT), EVENT.text)
        clashing = own.register(f"{prefix}clashing-value", poison.clashing_schema())
        registry.hidden = own.register(f"{prefix}newer-value", poison.newer_schema())
    return SchemaIds(event, clashing, json_schema, registry.hidden)


def test_poison_of_every_kind_is_set_aside_whole_and_nothing_else_is_harmed(
    settings: Settings, registry: LateRegistry, ids: SchemaIds, tmp_path: Path
) -> None:
    with ConfluentRegistry.from_settings(settings) as own:
        session_schema = own.register(
            Topics.from_settings(settings).subject_of(SESSION), SESSION.text
        )
    traffic = Traffic(settings, ids, session_schema)
    behind_late_registry = settings.model_copy(update={"schema_registry_url": registry.url})
    with Fleet(behind_late_registry, tmp_path, count=1) as fleet:
        workers = [worker.pid for worker in fleet.workers]
        traffic.send(RECORDS)
        fleet.catch_up()

        check_listed(settings, traffic)
        check_bytes_in_the_topic(settings, traffic)
        sessions, events = stored(settings)
        assert sessions == traffic.sessions
        assert sorted(events.elements()) == sorted(traffic.events)

        registry.hidden = None
        for _ in range(2):
            republish_repaired(settings, traffic)
            fleet.catch_up()
        assert [worker.pid for worker in fleet.workers] == workers
        assert [worker.exit_status() for worker in fleet.workers] == [None]

    repaired = {spoiled.event for spoiled in traffic.rejected.values()}
    sessions, events = stored(settings)
    assert sessions == traffic.sessions
    assert sorted(events.elements()) == sorted(traffic.events | repaired)
    with DeadLetterStore(settings, SystemClock()) as store:
        assert store.summaries(Selection(states=(State.PENDING,))) == []
        assert len(store.summaries(ANY)) == len(traffic.rejected)


def check_listed(settings: Settings, traffic: Traffic) -> None:
    expected = {place: KINDS[spoiled.kind][0] for place, spoiled in traffic.rejected.items()}
    with DeadLetterStore(settings, SystemClock()) as store:
        listed = {summary.id: summary.reason for summary in store.summaries(ANY)}
        assert listed == expected
        assert store.counts(ANY) == Counter(expected.values())
        kept = {
            each.summary.id: (each.key, each.value, list(each.headers))
            for block in store.dead_letters(ANY)
            for each in block
        }
    assert kept == {place: original(spoiled) for place, spoiled in traffic.rejected.items()}


def original(spoiled: Spoiled) -> tuple[bytes | None, bytes | None, list[Any]]:
    return spoiled.raw.key, spoiled.raw.value, list(spoiled.raw.headers)


def check_bytes_in_the_topic(settings: Settings, traffic: Traffic) -> None:
    """Ours come last: what is before them is the record's own."""
    found = {}
    for message in dead_letter_topic(settings):
        headers = message.headers()
        ours = {name: (value or b"").decode() for name, value in headers[-9:]}
        place = DeadLetterId(ours["topic"], int(ours["partition"]), int(ours["offset"]))
        found[place] = (message.key(), message.value(), headers[:-9])
        assert Reason(ours["reason"]) == KINDS[traffic.rejected[place].kind][0]
        assert ours["error"]
        assert ours["time"].endswith("Z")
    assert found == {place: original(spoiled) for place, spoiled in traffic.rejected.items()}


def dead_letter_topic(settings: Settings) -> Iterator[Any]:
    topic = Topics.from_settings(settings).dead_letters
    consumer = Consumer(
        {**settings.kafka_options(), "group.id": "reader", "enable.partition.eof": False}
    )
    try:
        ends = {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
            for number in range(settings.topics.partitions)
        }
        consumer.assign([TopicPartition(topic, number, 0) for number in ends])
        for _ in range(sum(ends.values())):
            message = consumer.poll(30)
            assert message is not None
            assert message.error() is None
            yield message
    finally:
        consumer.close()


def stored(settings: Settings) -> tuple[set[str], Counter[tuple[str, str]]]:
    with clickhouse.connect(settings) as client:
        sessions = client.query("SELECT session_id FROM sessions FINAL").result_rows
        events = client.query("SELECT session_id, event_id FROM events FINAL").result_rows
        # Those that were adopted are swept some time later.
        waiting = client.query(
            "SELECT count() FROM unjoined_events FINAL"
            " WHERE session_id NOT IN (SELECT session_id FROM sessions)"
        ).result_rows
    assert waiting == [(0,)]
    return {session_id for (session_id,) in sessions}, Counter((s, e) for s, e in events)


def republish_repaired(settings: Settings, traffic: Traffic) -> None:
    """As an operator would: what a repaired registry or the right partition saves, as it is; where
    only the key was wrong, with the right one; the rest with a right value."""
    as_they_are = (Reason.UNKNOWN_SCHEMA_ID, Reason.WRONG_PARTITION)
    clock = SystemClock()
    done = republish.republish(settings, clock, Selection(reasons=as_they_are, states=tuple(State)))
    assert len(done.sent) == sum(KINDS[s.kind][0] in as_they_are for s in traffic.rejected.values())
    for id_, spoiled in traffic.rejected.items():
        if KINDS[spoiled.kind][0] in as_they_are:
            continue
        one = Selection(ids=(id_,), states=tuple(State))
        keys_only = KINDS[spoiled.kind][0] is Reason.WRONG_KEY
        done = republish.republish(
            settings,
            clock,
            one,
            key=None if spoiled.raw.key == spoiled.good.key else spoiled.event[0],
            value=None if keys_only else spoiled.good.value,
        )
        assert names(done.sent) == [id_]


def names(dead_letters: Sequence[Any]) -> list[DeadLetterId]:
    return [each.summary.id for each in dead_letters]
