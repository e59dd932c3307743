"""Poison → the dead-letter topic, with its bytes as they were and the reason in the headers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaException, Producer

from clickstream.errors import BrokerUnavailable
from schemas.codec import Encoder
from stream_processors.sink import DeadLetter

# Longest wait for the broker before the flush is told to try again, seconds.
_ACK_SECONDS = 10.0


class KafkaDeadLetters:
    """Publishes and waits for the acknowledgement. A flush tried again publishes again: readers of
    the topic know a letter by its (topic, partition, offset)."""

    def __init__(self, producer: Producer, topic: str, encoder: Encoder) -> None:
        self._producer = producer
        self._topic = topic
        self._encoder = encoder

    def publish(self, letters: Sequence[DeadLetter]) -> None:
        failed: list[str] = []

        def on_delivery(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(str(error))

        for letter in letters:
            self._produce(letter, on_delivery)
        left = self._producer.flush(_ACK_SECONDS)
        if left or failed:
            said = failed[0] if failed else f"{left} not acknowledged in {_ACK_SECONDS:.0f} s"
            raise BrokerUnavailable(f"dead letters could not be published: {said}")

    def _produce(self, letter: DeadLetter, on_delivery: Any) -> None:
        poison = letter.poison
        try:
            self._producer.produce(
                self._topic,
                key=poison.record.key,
                value=self._encoder.encode(_envelope(letter)),
                headers=_headers(letter),
                on_delivery=on_delivery,
            )
        except (BufferError, KafkaException) as error:
            self._producer.poll(0)
            raise BrokerUnavailable(f"dead letters could not be published: {error}") from error


def _envelope(letter: DeadLetter) -> dict[str, Any]:
    poison = letter.poison
    return {
        "topic": poison.source.topic,
        "partition": poison.source.partition,
        "offset": poison.record.offset,
        "reason": poison.reason.value,
        "error": poison.error,
        "key": poison.record.key,
        "value": poison.record.value,
        "headers": [{"name": name, "value": value} for name, value in poison.record.headers],
        "failed_at": letter.failed_at_ms,
    }


def _headers(letter: DeadLetter) -> list[tuple[str, str | bytes | None]]:
    poison = letter.poison
    return [
        ("reason", poison.reason.value.encode()),
        ("topic", poison.source.topic.encode()),
        ("partition", str(poison.source.partition).encode()),
        ("offset", str(poison.record.offset).encode()),
        ("error", poison.error.encode()),
        ("failed_at", str(letter.failed_at_ms).encode()),
    ]
