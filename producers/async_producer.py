"""`AsyncProducer`: one librdkafka producer on the event loop.

`send` calls `produce()` for each record; librdkafka gathers the records of a partition for
`linger.ms`. While sends are pending, the loop calls `poll(0)` every millisecond, which calls the
delivery reports, which wake the senders. There is no thread of our own. A polling thread cost twice
the CPU per record, and gathering records here cost more than librdkafka's own gathering:
docs/decisions/0016-produce-record-by-record.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from core.errors import BrokerUnavailable

# Between two ticks while sends are pending. A delivery report waits for the next one.
_TICK_SECONDS: Final = 0.001
# While none are: errors and log lines still have to be fetched.
_IDLE_SECONDS: Final = 0.5
# For the reports of purged records, which librdkafka makes up itself.
_PURGE_SECONDS: Final = 1.0

_QUEUE_FULL: Final = KafkaError(KafkaError._QUEUE_FULL)
_UNKNOWN_OUTCOME: Final = "it may be stored or not; send it again"

Options = dict[str, Any]
MakeProducer = Callable[[Options], Producer]

_log = logging.getLogger(__name__)
_KAFKA_LOG = logging.getLogger("clickstream.kafka")  # librdkafka's own lines


class PendingSend:
    """The records of one `send`: the last one's position, once all are acknowledged.

    `offset` is None when the broker did not say where it had put each of them.
    """

    __slots__ = ("_on_settled", "_unreported", "error", "future", "offset", "partition")

    def __init__(
        self, records: int, future: asyncio.Future[None], on_settled: Callable[[PendingSend], None]
    ) -> None:
        self._unreported = records
        self._on_settled = on_settled
        self.partition = -1
        self.offset: int | None = -1
        self.error: KafkaError | None = None
        self.future = future

    def on_report(self, error: KafkaError | None, message: Message | None) -> None:
        """librdkafka's delivery report of one record; without a message when it was refused."""
        if error is not None:
            self.error = error
            self._resolve()  # the others cannot change the outcome
        elif message is not None:
            self.partition = message.partition() or 0
            # Unknown when the broker had the record already, from an attempt whose answer was lost.
            offset = message.offset()
            if self.offset is None or offset is None or offset < 0:
                self.offset = None
            elif offset > self.offset:
                self.offset = offset
        self._unreported -= 1
        if self._unreported == 0:
            self._resolve()
            self._on_settled(self)

    def _resolve(self) -> None:
        """Let the sender go on, unless it has gone away."""
        if not self.future.done():
            self.future.set_result(None)


class AsyncProducer:
    """One producer. Used on one event loop; `on_fatal` is called there, once, when the producer
    has met an error after which it will never deliver again."""

    def __init__(
        self, options: Options, on_fatal: Callable[[], None], make: MakeProducer = Producer
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_fatal = on_fatal
        self._is_broken = False
        self._pending_sends = 0
        self._is_settled = asyncio.Event()  # for whoever waits until there are none
        self._producer = make({**options, "error_cb": self._note, "logger": _KAFKA_LOG})
        self._is_idle = True
        self._timer = self._loop.call_later(_IDLE_SECONDS, self._tick)
        self._retiring: asyncio.Task[None] | None = None

    async def send(self, topic: str, key: bytes, values: Sequence[bytes]) -> PendingSend:
        """Produce the values in order, and wait until every one is acknowledged or given up.

        librdkafka reports on each within `message.timeout.ms` and a second. Raises
        BrokerUnavailable; some of the values may have been stored then.
        """
        pending = PendingSend(len(values), self._loop.create_future(), self._settle)
        self._pending_sends += 1
        for value in values:
            try:
                self._producer.produce(topic, value, key, on_delivery=pending.on_report)
            except BufferError:
                pending.on_report(_QUEUE_FULL, None)
            except KafkaException as error:
                pending.on_report(error.args[0], None)
        if self._is_idle:
            self._timer.cancel()
            self._tick()
        await pending.future
        if pending.error is not None:
            raise _unavailable(pending.error)
        return pending

    async def missing(self, topics: Sequence[str], seconds: float) -> list[str]:
        """Those of `topics` that have no partition to write to. Raises BrokerUnavailable."""
        return await asyncio.to_thread(self._missing, topics, seconds)

    async def close(self, grace_seconds: float) -> None:
        """Deliver what was sent; after the grace give up, and report, what is left."""
        await self._settled(grace_seconds)
        self._producer.purge()
        await self._settled(_PURGE_SECONDS)
        self._timer.cancel()

    def retire(self) -> None:
        """Give everything up, in the background; nothing may be sent afterwards."""
        self._retiring = self._loop.create_task(self.close(0))

    async def _settled(self, seconds: float) -> None:
        if self._pending_sends:
            self._is_settled.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._is_settled.wait()

    def _tick(self) -> None:
        """Take the delivery reports that have come, and log lines and errors with them."""
        self._producer.poll(0)
        self._is_idle = not self._pending_sends
        pause = _IDLE_SECONDS if self._is_idle else _TICK_SECONDS
        self._timer = self._loop.call_later(pause, self._tick)

    def _settle(self, pending: PendingSend) -> None:
        self._pending_sends -= 1
        if pending.error is not None:
            self._note(pending.error)
        if not self._pending_sends:
            self._is_settled.set()

    def _note(self, error: KafkaError) -> None:
        if error.fatal() and not self._is_broken:
            self._is_broken = True
            _log.error("the Kafka producer met a fatal error and is replaced: %s", error.str())
            self._loop.call_soon(self._on_fatal)

    def _missing(self, topics: Sequence[str], seconds: float) -> list[str]:
        try:
            return [
                topic
                for topic in topics
                if not self._producer.list_topics(topic, seconds).topics[topic].partitions
            ]
        except KafkaException as error:
            why = error.args[0].str()
            raise BrokerUnavailable(f"Kafka does not answer ({why})") from error


def _unavailable(error: KafkaError) -> BrokerUnavailable:
    if error.code() == KafkaError._QUEUE_FULL:
        return BrokerUnavailable("too many records wait for Kafka already: try again in a moment")
    return BrokerUnavailable(f"Kafka did not acknowledge ({error.str()}): {_UNKNOWN_OUTCOME}")
