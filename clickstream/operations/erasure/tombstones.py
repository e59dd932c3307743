"""Publish what is erased: to Kafka, which keeps it, then to ClickHouse, where workers read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.subject import DataSubject
from core.clickhouse.admin import Server
from core.clickhouse.client import database_of
from core.clickhouse.id_batches import id_batches
from core.clock import Clock
from core.errors import BrokerUnavailable
from core.settings import Settings
from schemas.codec import Encoder
from schemas.contracts import ERASURE
from schemas.erasures import dead_letter_hash
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics

# Hashes in one record: 320 kB, far below the largest record of the topic.
_MOST_HASHES: Final = 20_000

_ACK_SECONDS: Final = 10.0


class TombstonePublisher:
    """Publishes the hashes of what is erased.

    Every method blocks until both Kafka and ClickHouse have stored it. Publishing twice changes
    nothing. Raises BrokerUnavailable, RegistryUnavailable, SinkUnavailable.
    """

    def __init__(
        self,
        settings: Settings,
        server: Server,
        subject: DataSubject,
        requested_by: str | None,
        clock: Clock,
    ) -> None:
        self._server = server
        self._subject = subject
        self._requested_by = requested_by
        self._clock = clock
        self._live = database_of(settings)
        topics = Topics.from_settings(settings)
        self._topic = topics.erasures
        with ConfluentRegistry.from_settings(settings) as registry:
            schema_id = registry.register(topics.subject_of(ERASURE), ERASURE.text)
        self._encode = Encoder(ERASURE, schema_id).encode
        self._producer = Producer(
            {
                **settings.kafka_options(),
                # Publishing twice changes nothing, and the first record of an idempotent producer
                # waits up to half a second for an id.
                "acks": "all",
                "message.timeout.ms": int(_ACK_SECONDS * 1000),
                "log_level": 0,
            }
        )

    def publish_users(self) -> None:
        """Workers then store nothing that the edge received from this user until the cut-off."""
        now = self._clock.now_ms()
        for user_hash in self._subject.user_hashes:
            self._publish(user_hash, user_hash, requested_at=now)
        for user_hash in self._subject.user_hashes:
            self._server.command(
                queries.ADD_ERASURE,
                live=self._live,
                user_hash=user_hash,
                cut_off=self._subject.cut_off,
                requested_at=now,
                requested_by=self._requested_by,
            )

    def publish_sessions(self, hashes: Sequence[str]) -> None:
        """Workers then store nothing of these sessions."""
        self._publish_hashes("session_hashes", queries.ADD_SESSIONS, hashes)

    def publish_dead_letters(self, hashes: Sequence[str]) -> None:
        """Workers then store none of these dead letters."""
        self._publish_hashes("dead_letter_hashes", queries.ADD_DEAD_LETTERS, hashes)

    def _publish_hashes(self, field: str, statement: str, hashes: Sequence[str]) -> None:
        user_hash = self._subject.user_hashes[0]
        now = self._clock.now_ms()
        for start in range(0, len(hashes), _MOST_HASHES):
            some = [bytes.fromhex(each) for each in hashes[start : start + _MOST_HASHES]]
            # A key of its own, because the topic is compacted; the same hashes have the same key.
            key = f"{user_hash}-{dead_letter_hash(b''.join(some)).hex()}"
            self._publish(key, user_hash, requested_at=now, **{field: some})
        for portion in id_batches(hashes):
            self._server.command(statement, live=self._live, user_hash=user_hash, hashes=portion)

    def _publish(self, key: str, user_hash: str, **fields: Any) -> None:
        record = {
            "user_hash": bytes.fromhex(user_hash),
            "cut_off": self._subject.cut_off,
            "requested_by": self._requested_by,
            **fields,
        }
        refusals: list[str] = []
        try:
            self._producer.produce(
                self._topic,
                key=key,
                value=self._encode(record),
                on_delivery=lambda error, _: refusals.append(str(error)) if error else None,
            )
        except (BufferError, KafkaException) as error:
            raise BrokerUnavailable(f"the erasure could not be published: {error}") from error
        if self._producer.flush(_ACK_SECONDS + 1) or refusals:
            why = refusals[0] if refusals else "no acknowledgement in time"
            raise BrokerUnavailable(f"the erasure could not be published: {why}")
