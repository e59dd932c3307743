"""Arrow → Avro → Kafka, as fast as one process can: what fills the topics of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyruhvro
from confluent_kafka import Producer

from core.kafka.partitioner import partitions_of
from core.settings import Settings
from schemas.codec import header
from schemas.contracts import EVENT, SESSION, Contract
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics

# librdkafka holds this many before it refuses; full, we let it send.
_QUEUED = 500_000


class Feed:
    """Writes whole batches of the contracts of one measurement, with our keys and partitions."""

    def __init__(self, settings: Settings) -> None:
        topics = Topics.from_settings(settings)
        self._partitions = settings.topics.partitions
        with ConfluentRegistry.from_settings(settings) as registry:
            self._targets = {
                contract.name: (
                    topics.topic_of(contract),
                    header(registry.register(topics.subject_of(contract), contract.text)),
                )
                for contract in (SESSION, EVENT)
            }
        self._producer = Producer(
            {
                **settings.kafka_options(),
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 50,
                "batch.size": 1_000_000,
                "compression.type": "lz4",
                "queue.buffering.max.messages": _QUEUED,
                "queue.buffering.max.kbytes": 1_000_000,
            }
        )

    def send(self, contract: Contract, rows: pa.RecordBatch) -> None:
        """Queue them all; `flush` waits for the acknowledgements."""
        topic, head = self._targets[contract.name]
        partitions = partitions_of(rows["session_id"], self._partitions).tolist()
        keys = rows["session_id"].to_pylist()
        for key, body, partition in zip(keys, _encode(contract, rows), partitions, strict=True):
            while True:
                try:
                    self._producer.produce(topic, head + body, key, partition)
                    break
                except BufferError:
                    self._producer.poll(0.05)
        self._producer.poll(0)

    def flush(self) -> None:
        """Returns when Kafka has everything."""
        if left := self._producer.flush(120):
            raise TimeoutError(f"{left} records are not acknowledged after 120 s")


def _encode(contract: Contract, rows: pa.RecordBatch) -> Iterator[bytes]:
    for part in pyruhvro.serialize_record_batch(rows, contract.text, 1):
        for body in part.to_pylist():
            yield bytes(body)
