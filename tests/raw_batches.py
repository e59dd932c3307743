"""Batches of Kafka's that no producer of ours would write, and how they get into the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import (
    DefaultRecordBatchBuilder,
    _DefaultRecordBatchBuilderPy,
)

from core.clock import SystemClock

if TYPE_CHECKING:
    from core.settings import Settings


class NoText(str):
    """The name of a header, of bytes that are no UTF-8."""

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


def with_a_header_that_is_no_text(key: bytes, value: bytes) -> bytes:
    builder = _DefaultRecordBatchBuilderPy(2, 0, False, -1, -1, 0, 2**20)
    builder.append(0, SystemClock().now_ms(), key, value, [(NoText("x"), b"1")])
    return bytes(builder.build())


def larger_than_memory() -> bytes:
    """Two records, some 10 KiB of zstd."""
    builder = DefaultRecordBatchBuilder(2, 4, False, -1, -1, 0, 2**30)
    for n in range(2):
        builder.append(n, SystemClock().now_ms(), b"k", b"\0" * (48 * 2**20), [])
    return bytes(builder.build())


async def write_batches(settings: Settings, topic: str, *batches: bytes, partition: int) -> None:
    """As they are, one after the other."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers)
    await producer.start()
    try:
        for raw in batches:
            batch = producer.create_batch()
            batch.close()
            batch._buffer, batch._relative_offset = bytearray(raw), 1
            await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()
