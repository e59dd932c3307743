"""The topic of erasures, read back into ClickHouse: after a restore, and before a replay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from clickstream.operations.erasure import queries
from clickstream.operations.rebuild.read import LogReader
from core.clickhouse.admin import Server
from core.clickhouse.client import database_of
from core.clickhouse.id_batches import id_batches
from core.clock import Clock
from core.errors import BrokerUnavailable
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.codec import Decoder
from schemas.contracts import ERASURE
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics

_REQUEST_SECONDS = 10.0

# Records read at once.
_ROWS = 1_000

Erasure = dict[str, Any]


def recall(settings: Settings, server: Server, clock: Clock) -> int:
    """Add to ClickHouse what only Kafka remembers; how many erasures that were. Blocks.

    Raises BrokerUnavailable, RegistryUnavailable, SinkUnavailable; PoisonRecord for a record that
    is no erasure: nobody but us writes there, and passing over one would bring somebody back.
    """
    live = database_of(settings)
    known = {
        (str(user).lower(), int(cut_off))
        for user, cut_off in server.rows(queries.KNOWN_ERASURES, live=live)
    }
    added = 0
    for erasure in announced(settings, clock):
        user = erasure["user_hash"].hex()
        for field, missing, add in (
            ("session_hashes", queries.MISSING_SESSIONS, queries.ADD_SESSIONS),
            ("letter_hashes", queries.MISSING_LETTERS, queries.ADD_LETTERS),
        ):
            for hashes in id_batches([each.hex() for each in erasure[field]]):
                rows = server.rows(missing, live=live, hashes=hashes)
                if lacking := [str(each).lower() for (each,) in rows]:
                    server.command(add, live=live, user_hash=user, hashes=lacking)
                    added += 1
        if (user, erasure["cut_off"]) not in known:
            fields = {name: erasure[name] for name in ("cut_off", "requested_at", "requested_by")}
            server.command(queries.ADD_ERASURE, live=live, user_hash=user, **fields)
            added += 1
    return added


def announced(settings: Settings, clock: Clock) -> Iterator[Erasure]:
    """Every erasure that is in the topic now, in no particular order."""
    starts, ends = _extent(settings)
    with (
        ConfluentRegistry.from_settings(settings) as registry,
        LogReader(settings, clock) as reader,
    ):
        decoder = Decoder(ERASURE, registry)
        for batches in reader.read(starts, ends, _ROWS):
            for batch in batches:
                for part in batch.parts:
                    yield from (decoder.decode(value) for value in part.values.to_pylist())


def _extent(settings: Settings) -> tuple[dict[Partition, int], dict[Partition, int]]:
    topic = Topics.from_settings(settings).erasures
    consumer = Consumer(
        {
            **settings.kafka_options(),
            "group.id": f"{settings.worker.group}-replay",
            "log_level": "0",
        }
    )
    starts, ends = {}, {}
    try:
        for number in range(settings.topics.partitions):
            place = Partition(topic, number)
            starts[place], ends[place] = consumer.get_watermark_offsets(
                TopicPartition(*place), timeout=_REQUEST_SECONDS
            )
    except KafkaException as error:
        raise BrokerUnavailable(f"the topic of erasures cannot be read: {error}") from error
    finally:
        consumer.close()
    return starts, ends
