"""RejectedRecord → the dead-letter topic: the record as it was, and behind its own headers ours.

Key and value are the original bytes, so that any Kafka tool can look at a dead letter, and put it
back. Readers take the last header of each name: what comes before ours is the record's own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from core.errors import BrokerUnavailable
from stream_processors.write.sink import DeadLetter

# Longest wait for the broker before the flush is told to try again, seconds.
_ACK_SECONDS = 10.0

# How long to let the producer's queue run down when it is full, seconds.
_QUEUE_SECONDS = 0.1


class KafkaDeadLetters:
    """Publishes and waits for the acknowledgement. A flush tried again publishes again: readers of
    the topic know a letter by its (topic, epoch, partition, offset). Copies of an attempt that was
    given up are taken out of the producer's queue, so an outage leaves only those that were on
    their way."""

    def __init__(self, producer: Producer, topic: str) -> None:
        """The producer's `message.max.bytes` is `schemas.topics.max_dead_letter_bytes`."""
        self._producer = producer
        self._topic = topic

    def publish(self, dead_letters: Sequence[DeadLetter]) -> None:
        try:
            self._publish(dead_letters)
        except BrokerUnavailable:
            self._producer.purge(in_queue=True, in_flight=False)
            self._producer.poll(0)  # which frees their room in the queue
            raise

    def _publish(self, dead_letters: Sequence[DeadLetter]) -> None:
        too_large: list[DeadLetter] = []
        self._publish_all(dead_letters, too_large)
        for letter in too_large:  # a batch is refused as a whole: most of these are well alone
            self._publish_alone(letter)

    def _publish_alone(self, letter: DeadLetter) -> None:
        """Without its content if need be: a topic that takes less than it should must not stop the
        worker for ever. The table keeps the dead letter whole."""
        too_large: list[DeadLetter] = []
        self._publish_all([letter], too_large)
        if too_large:
            refused: list[DeadLetter] = []
            self._publish_all([letter.without_content()], refused)
            if refused:
                raise BrokerUnavailable(
                    f"{self._topic} does not even take headers: see `clickstream topics list`"
                )

    def _publish_all(self, dead_letters: Sequence[DeadLetter], too_large: list[DeadLetter]) -> None:
        failed: list[str] = []

        def outcome(letter: DeadLetter) -> Any:
            def on_delivery(error: Any, _: Any) -> None:
                if error is None:
                    return
                if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    too_large.append(letter)
                else:
                    failed.append(str(error))

            return on_delivery

        for letter in dead_letters:
            self._produce(letter, outcome(letter), too_large)
        left = self._producer.flush(_ACK_SECONDS)
        if left or failed:
            said = failed[0] if failed else f"{left} not acknowledged in {_ACK_SECONDS:.0f} s"
            raise BrokerUnavailable(f"dead letters could not be published: {said}")

    def _produce(self, letter: DeadLetter, on_delivery: Any, too_large: list[DeadLetter]) -> None:
        """Hand over to the producer, waiting for room in its queue."""
        record = letter.rejected.record
        deadline = time.monotonic() + _ACK_SECONDS
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    key=record.key,
                    value=record.value,
                    headers=[*record.headers, *_headers(letter)],
                    on_delivery=on_delivery,
                )
                return
            except BufferError as error:
                if time.monotonic() > deadline:
                    raise BrokerUnavailable("dead letters: the producer's queue is full") from error
                self._producer.poll(_QUEUE_SECONDS)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    too_large.append(letter)
                    return
                raise BrokerUnavailable(f"dead letters could not be published: {error}") from error


def _headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """For people with kcat as well as for programs: text, and a time that can be read."""
    rejected = letter.rejected
    time_ = datetime.fromtimestamp(letter.failed_at_ms / 1000, UTC)
    fields = {
        "reason": rejected.reason.value,
        "topic": rejected.source.topic,
        "partition": rejected.source.partition,
        "offset": rejected.record.offset,
        "error": letter.error,
        "time": time_.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "attempt": letter.attempt.number,
        "cut_bytes": rejected.cut_bytes,
        "epoch": letter.epoch,
    }
    return [(name, str(value).encode()) for name, value in fields.items()]
