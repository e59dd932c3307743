"""`Connection`: one librdkafka producer and the thread that takes its acknowledgements.

librdkafka hands delivery reports to whoever polls it. A thread does, collects what one poll
brought, and wakes the event loop once for all of it: once for each record would cost more than all
the rest.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream.errors import BrokerUnavailable

# How long one poll waits when nothing happens; only `close` is ever waited for by it.
_POLL_SECONDS: Final = 0.1
# For the reports of purged records, which librdkafka makes up itself.
_PURGE_SECONDS: Final = 1.0

_UNKNOWN_OUTCOME: Final = "it may be stored or not; send it again"

Options = dict[str, Any]
MakeProducer = Callable[[Options], Producer]

_log = logging.getLogger(__name__)
_KAFKA_LOG = logging.getLogger("clickstream.kafka")  # librdkafka's own lines


class Delivery:
    """The records of one `send`: the last one's place, once all are acknowledged.

    `offset` is None when the broker did not say where it had put each of them.
    """

    __slots__ = ("_done", "_unreported", "error", "future", "offset", "partition")

    def __init__(self, records: int, done: Callable[[Delivery], None]) -> None:
        self._unreported = records
        self._done = done
        self.partition = -1
        self.offset: int | None = -1
        self.error: KafkaError | None = None
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def report(self, error: KafkaError | None, message: Message) -> None:
        """librdkafka's delivery report of one record; called on the polling thread."""
        if error is not None:
            self.error = error
        else:
            self.partition = message.partition() or 0
            # Unknown when the broker had the record already, from an attempt whose answer was lost.
            offset = message.offset()
            if self.offset is None or offset is None or offset < 0:
                self.offset = None
            else:
                self.offset = max(self.offset, offset)
        self._unreported -= 1
        if self._unreported == 0:
            self._done(self)


class Connection:
    """One producer. Used on one event loop; `on_fatal` is called there, once, when the producer
    has met an error after which it will never deliver again."""

    def __init__(
        self, options: Options, on_fatal: Callable[[], None], make: MakeProducer = Producer
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_fatal = on_fatal
        self._is_broken = False
        self._closing = threading.Event()
        self._grace_seconds = 0.0
        self._reported: list[Delivery] = []
        self._producer = make({**options, "error_cb": self._on_error, "logger": _KAFKA_LOG})
        self._thread = threading.Thread(target=self._poll, name="kafka-poll", daemon=True)
        self._thread.start()

    async def send(self, topic: str, key: bytes, values: Sequence[bytes]) -> Delivery:
        """Hand over the values in order, and wait until every one is acknowledged or given up.

        librdkafka reports on each within `message.timeout.ms` and a second. Raises
        BrokerUnavailable; some of the values may have been stored then.
        """
        delivery = Delivery(len(values), self._reported.append)
        try:
            for value in values:
                self._producer.produce(topic, value, key, on_delivery=delivery.report)
        except BufferError:
            raise BrokerUnavailable(
                "too many records wait for Kafka already: try again in a moment"
            ) from None
        except KafkaException as error:
            self._note(error.args[0])
            raise _unavailable(error.args[0]) from error
        await delivery.future
        if delivery.error is not None:
            raise _unavailable(delivery.error)
        return delivery

    async def missing(self, topics: Sequence[str], seconds: float) -> list[str]:
        """Those of `topics` that have no partition to write to. Raises BrokerUnavailable."""
        return await asyncio.to_thread(self._missing, topics, seconds)

    async def close(self, grace_seconds: float) -> None:
        """Deliver what was handed over; give up, and report, what is left after the grace."""
        self.retire(grace_seconds)
        await asyncio.to_thread(self._thread.join, grace_seconds + 2 * _PURGE_SECONDS)

    def retire(self, grace_seconds: float = 0.0) -> None:
        """The same without waiting for it; nothing may be sent afterwards."""
        self._grace_seconds = grace_seconds
        self._closing.set()

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_POLL_SECONDS)
            self._settle()
        self._producer.flush(self._grace_seconds)
        self._producer.purge()
        self._producer.flush(_PURGE_SECONDS)
        self._settle()

    def _settle(self) -> None:
        """Wake those whose records were reported. On the polling thread, like `report`."""
        if not self._reported:
            return
        reported = self._reported[:]
        self._reported.clear()  # in place: `append` of this very list was given away
        for delivery in reported:
            if delivery.error is not None:
                self._note(delivery.error)
        self._loop.call_soon_threadsafe(_wake, reported)

    def _on_error(self, error: KafkaError) -> None:
        self._note(error)

    def _note(self, error: KafkaError) -> None:
        if error.fatal() and not self._is_broken:
            self._is_broken = True
            _log.error("the Kafka producer met a fatal error and is replaced: %s", error.str())
            self._loop.call_soon_threadsafe(self._on_fatal)

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


def _wake(deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        if not delivery.future.done():
            delivery.future.set_result(None)


def _unavailable(error: KafkaError) -> BrokerUnavailable:
    return BrokerUnavailable(f"Kafka did not acknowledge ({error.str()}): {_UNKNOWN_OUTCOME}")
