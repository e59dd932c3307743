"""`KafkaPublisher`: the `Publisher` on a real cluster."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from core.consistency.position import Position
from core.consistency.sink_progress import SinkProgress
from core.errors import BrokerUnavailable, RecordTooLarge, SetupError, Unavailable
from core.http.admission import InFlightLimit
from core.kafka.offsets import KafkaOffsets, Offsets
from core.kafka.partitions import Partition
from core.log_throttle import Throttle
from core.settings import Settings
from core.telemetry import (
    EDGE_PRODUCER_QUEUE,
    EDGE_PRODUCER_RESTARTS,
    EDGE_PUBLISH_SECONDS,
    EDGE_RECORDS,
    EDGE_UNACKNOWLEDGED,
)
from core.tracing import is_on, publish_span
from producers.async_producer import AsyncProducer, MakeProducer
from producers.encoders import Encoders
from producers.publisher import Records
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics, max_record_bytes

WRITTEN: Final = (SESSION, EVENT, MARK)
"""What the edge writes."""

# Start-up goes on without the registry after this, seconds.
_START_TIMEOUT: Final = 2.0
# The rare question for the end of a partition, seconds.
_END_SECONDS: Final = 2.0
# /readyz gives each component two seconds.
_READY_SECONDS: Final = 1.0
# A producer that fails for good at once would otherwise be replaced in a tight loop.
_REPLACE_PAUSE: Final = 1.0

_log = logging.getLogger(__name__)

# Encoding more would keep other requests waiting: some 3 ms.
_RECORDS_A_SLICE: Final = 512

_DEFAULTS: Final = {
    # Milliseconds that the records of a partition wait for others. 1 costs the broker a fifth more.
    "linger.ms": "2",
    # The cheapest on the CPU; the broker and the consumers keep it as it is.
    "compression.type": "lz4",
    # What may wait when the broker stalls: seconds of heavy load, and no more memory than this.
    # Beyond it requests are refused at once.
    "queue.buffering.max.messages": "200000",
    "queue.buffering.max.kbytes": str(128 * 1024),
    # Back within two seconds of the broker's return, instead of ten.
    "reconnect.backoff.max.ms": "2000",
    # Idle connections are closed by the broker as a matter of course.
    "log.connection.close": "false",
}

# The promises of `publish` rest on these, so the settings cannot change them.
_FIXED: Final = {
    "acks": "all",
    "enable.idempotence": "true",
    # Agrees with Java's and aiokafka's default, and with core.kafka.partitioner.
    "partitioner": "murmur2_random",
}


def producer_options(settings: Settings) -> dict[str, Any]:
    """librdkafka's options. The settings' replace our defaults, and nothing replaces `_FIXED`."""
    # librdkafka looks for overdue records once a second, so the last report comes a second later.
    overdue_ms = max(1000, int((settings.http.ack_timeout_seconds - 1) * 1000))
    return {
        **_DEFAULTS,
        "message.timeout.ms": str(overdue_ms),
        "message.max.bytes": str(max_record_bytes(settings)),
        **settings.kafka_options(),
        **_FIXED,
    }


class KafkaPublisher:
    """Idempotent, acks=all. Replaces its producer after an error that librdkafka calls fatal."""

    def __init__(
        self,
        topics: Topics,
        encoders: Encoders,
        options: dict[str, Any],
        offsets: Offsets,
        make_producer: MakeProducer = Producer,
        replace_pause: float = _REPLACE_PAUSE,
        most_bytes: int = sys.maxsize,
    ) -> None:
        """`most_bytes`: of records that are not acknowledged yet. Beyond it: Overloaded."""
        self._topics = {contract.name: topics.topic_of(contract) for contract in WRITTEN}
        # Looked up once: by its label it would cost more than counting.
        self._acknowledged = {topic: EDGE_RECORDS.labels(topic) for topic in self._topics.values()}
        for topic in self._acknowledged:
            EDGE_UNACKNOWLEDGED.labels(topic)  # it begins at zero
        self._encoders = encoders
        self._options = options
        # A broker's restart leaves thousands without an offset at once: they share a question.
        self._progress = SinkProgress(offsets)
        self._make_producer = make_producer
        # A request may be encoded into many times its size: each record has the session's id twice.
        self._in_flight = InFlightLimit(sys.maxsize, most_bytes)
        self._replace_pause = replace_pause
        self._producer: AsyncProducer | None = None
        self._replacing: asyncio.Task[None] | None = None
        self._why_none = "not connected to Kafka: try again in a moment"
        self._throttle = Throttle()

    @classmethod
    def from_settings(cls, settings: Settings) -> KafkaPublisher:
        """A publisher to the servers that the settings name. Connects in `start`."""
        topics = Topics.from_settings(settings)
        return cls(
            topics,
            Encoders(lambda: ConfluentRegistry.from_settings(settings), topics, WRITTEN),
            producer_options(settings),
            KafkaOffsets(
                settings.kafka_options(),
                group=settings.worker.group,
                request_seconds=settings.http.ack_timeout_seconds,
            ),
            most_bytes=settings.http.bytes_in_flight,
        )

    async def start(self) -> None:
        try:
            self._producer = self._make()
        except KafkaException as error:
            raise SetupError(f"the Kafka client refuses its options: {error}") from error
        EDGE_PRODUCER_QUEUE.set_function(self._queue_length)
        await self._encoders.start(_START_TIMEOUT)

    async def stop(self) -> None:
        async with AsyncExitStack() as stack:  # each is called, also when another one raises
            stack.push_async_callback(self._progress.close)
            stack.push_async_callback(self._encoders.stop)
            if self._replacing is not None:
                self._replacing.cancel()
            if self._producer is not None:
                closing, self._producer = self._producer, None
                await closing.close(int(self._options["message.timeout.ms"]) / 1000)

    async def publish(self, contract: Contract, key: str, records: Records) -> Position:
        topic = self._topics[contract.name]
        begun = perf_counter()
        try:
            encode = self._encoders.of(contract).encode
            with self._in_flight.begin() as held:
                values: list[bytes] = []
                for first in range(0, len(records), _RECORDS_A_SLICE):
                    if first:
                        await asyncio.sleep(0)  # others go on meanwhile
                    some = [encode(each) for each in records[first : first + _RECORDS_A_SLICE]]
                    held.grow(sum(map(len, some)) + len(some) * len(key))
                    values += some
                position = await self._send(topic, key.encode(), values)
        except (Unavailable, RecordTooLarge):
            EDGE_UNACKNOWLEDGED.labels(topic).inc()
            raise
        self._acknowledged[topic].inc(len(records))
        EDGE_PUBLISH_SECONDS.observe(perf_counter() - begun)
        return position

    async def ready(self) -> Sequence[str]:
        reasons = self._encoders.reasons()
        try:
            producer = self._live()
            reasons += producer.reasons()
            missing = await producer.missing(list(self._topics.values()), _READY_SECONDS)
        except BrokerUnavailable as error:
            return [*reasons, error.public]
        return [*reasons, *(f"topic {topic} is missing: `clickstream topics`" for topic in missing)]

    async def _send(self, topic: str, key: bytes, values: list[bytes]) -> Position:
        if is_on():
            with publish_span(topic) as headers:
                pending = await self._live().send(topic, key, values, headers)
        else:
            pending = await self._live().send(topic, key, values)
        if pending.offset is not None:
            return Position(topic, pending.partition, pending.offset)
        # A duplicate is acknowledged without an offset when it was stored by an attempt whose
        # answer was lost. The partition's end - 1 is at or after the true offset, so a reader that
        # waits for it only waits longer.
        partition = Partition(topic, pending.partition)
        try:
            async with asyncio.timeout(_END_SECONDS):
                ends = await self._progress.ends([partition])
        except TimeoutError:
            raise BrokerUnavailable("Kafka does not say where the write went") from None
        return Position(*partition, ends[partition] - 1)

    def _queue_length(self) -> int:
        return 0 if self._producer is None else self._producer.queue_length()

    def _live(self) -> AsyncProducer:
        if self._producer is None:
            raise BrokerUnavailable(self._why_none)
        return self._producer

    def _make(self) -> AsyncProducer:
        return AsyncProducer(self._options, self._on_fatal, self._make_producer)

    def _on_fatal(self) -> None:
        """The producer will never deliver again: give up what it holds, and make a new one."""
        if self._producer is None:
            return  # stopping
        EDGE_PRODUCER_RESTARTS.inc()
        self._producer.retire()
        self._producer = None
        self._replacing = asyncio.get_running_loop().create_task(self._replace())

    async def _replace(self) -> None:
        """Try until there is a new producer: a CA file may be under rotation just now."""
        while True:
            await asyncio.sleep(self._replace_pause)
            try:
                self._producer = self._make()
                return
            except Exception as error:
                self._why_none = (
                    f"no new Kafka producer can be made ({type(error).__name__}): the log says more"
                )
                if self._throttle.allows(type(error).__name__):
                    _log.exception("no new Kafka producer yet; trying again")
