"""A stand-in for confluent_kafka.Producer whose delivery reports a test decides on."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException

Report = Callable[[KafkaError | None, Any], None]

FATAL = KafkaError(KafkaError.INVALID_PRODUCER_EPOCH, "fenced", True)
PURGED = KafkaError(KafkaError._PURGE_QUEUE, "purged")
TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT, "timed out")


@dataclass(frozen=True)
class FakeMessage:
    """What a report says of a record."""

    place: tuple[int, int | None]

    def partition(self) -> int:
        return self.place[0]

    def offset(self) -> int | None:
        return self.place[1]


class FakeProducer:
    """Reports nothing by itself: `acknowledge` and `fail` report the oldest records."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.headers: list[tuple[tuple[str, bytes], ...]] = []
        self.room = 1_000
        self.refusal: KafkaError | None = None
        self._waiting: list[Report] = []
        self._ready: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes,
        on_delivery: Report,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        if self.refusal is not None:
            raise KafkaException(self.refusal)
        if not self.room:
            raise BufferError("Local: Queue full")
        self.room -= 1
        self.sent.append((topic, key, value))
        self.headers.append(tuple(headers))
        self._waiting.append(on_delivery)

    def acknowledge(self, partition: int, *offsets: int | None) -> None:
        """The oldest records are stored; one poll brings the reports on all of them."""
        self._report([(None, FakeMessage((partition, offset))) for offset in offsets])

    def fail(self, error: KafkaError) -> None:
        """The oldest record is not."""
        self._report([(error, FakeMessage((0, None)))])

    def raise_alarm(self, error: KafkaError) -> None:
        """As librdkafka does for an error that is no record's."""
        self._ready.put(lambda: self.options["error_cb"](error))

    def poll(self, timeout: float) -> int:
        with suppress(queue.Empty):
            while True:
                self._ready.get(timeout=timeout)()
        return 0

    def __len__(self) -> int:
        return len(self._waiting)

    def purge(self) -> None:
        while self._waiting:
            self.fail(PURGED)

    def _report(self, reports: list[tuple[KafkaError | None, FakeMessage]]) -> None:
        told = [(self._waiting.pop(0), error, message) for error, message in reports]

        def tell() -> None:
            for report, error, message in told:
                report(error, message)

        self._ready.put(tell)
