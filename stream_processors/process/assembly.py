"""Puts a worker's parts together from its settings. Blocks until the servers have answered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from confluent_kafka import Producer

from core.clock import Clock
from core.retrying import Retry
from core.settings import Settings
from schemas.contracts import EVENT, MARK, SESSION
from schemas.registry import ConfluentRegistry, SchemaRegistry
from schemas.topics import Topics, max_dead_letter_bytes, max_record_bytes
from stream_processors.decode.batch import BatchDecoder
from stream_processors.join.plan import FlushRules
from stream_processors.join.recent_sessions import RecentSessions
from stream_processors.join.session_day import DayWindow
from stream_processors.join.stored_ids_filter import StoredIdsFilter
from stream_processors.process.retry import UntilItWorks
from stream_processors.write.clickhouse import ClickHouseSink
from stream_processors.write.dead_letter_topic import KafkaDeadLetters
from stream_processors.write.flush import Flush
from stream_processors.write.sink import Sink
from stream_processors.write.write_plan import DeadLetterTopic


@dataclass(frozen=True, slots=True)
class FlushParts:
    """The blocking half of a worker: what runs on the flush thread, and what it works with."""

    flush: Flush
    index: RecentSessions
    stored_ids: StoredIdsFilter
    sink: Sink


def assemble(settings: Settings, clock: Clock, until_it_works: UntilItWorks) -> FlushParts:
    """Connect to the registry and ClickHouse, waiting for them if need be, and build the flush."""
    topics = Topics.from_settings(settings)
    registry = ConfluentRegistry.from_settings(settings)
    producer = Producer(
        {
            **settings.kafka_options(),
            "acks": "all",
            "enable.idempotence": True,
            # It reconnects for as long as Kafka is away; what matters of that, `publish` raises.
            "log_level": 2,
            "message.max.bytes": max_dead_letter_bytes(settings),
        }
    )
    dead_letters = KafkaDeadLetters(producer, topics.dead_letters)
    sink = until_it_works(lambda: ClickHouseSink(settings))
    return assemble_flush(settings, clock, until_it_works, registry, dead_letters, sink)


def assemble_flush(
    settings: Settings,
    clock: Clock,
    retry: Retry,
    registry: SchemaRegistry,
    dead_letters: DeadLetterTopic,
    sink: Sink,
) -> FlushParts:
    """The flush of a worker, and of a replay, which must come to the same rows."""
    topics = Topics.from_settings(settings)
    index = RecentSessions(settings.worker.index_bytes)
    window = DayWindow(settings.worker.day_window_past, settings.worker.day_window_future)
    decoders = {
        topics.topic_of(contract): BatchDecoder(
            contract,
            retry(partial(registry.register, topics.subject_of(contract), contract.text)),
            registry,
            settings.topics.partitions,
            most_bytes=max_record_bytes(settings),
        )
        for contract in (SESSION, EVENT, MARK)
    }
    most_waiting = settings.worker.max_waiting_per_session
    rules = FlushRules(topics, window, settings.topics.epoch, most_waiting)
    stored_ids = StoredIdsFilter(settings.worker.seen_bytes, settings.topics.partitions)
    flush = Flush(rules, decoders, sink, dead_letters, index, stored_ids, clock, retry)
    return FlushParts(flush, index, stored_ids, sink)
