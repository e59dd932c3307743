"""`BatchedProducer`: records wait for the next tick and go over to librdkafka together.

What the edge did before `producers.async_producer` called `produce()` for each record. Kept for
`benchmarks.produce_batching`, which says which of the two costs less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaException

from producers.async_producer import AsyncProducer, Headers, Options, PendingSend


class BatchedProducer(AsyncProducer):
    """One `produce_batch` for each topic and tick."""

    def __init__(self, options: Options, on_fatal: Callable[[], None]) -> None:
        super().__init__(options, on_fatal)
        self._waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)

    async def send(
        self, topic: str, key: bytes, values: Sequence[bytes], headers: Headers = ()
    ) -> PendingSend:
        loop = self._loop
        pending = PendingSend(len(values), loop.time(), loop.create_future(), self._settle)
        self._pending[pending] = None
        waiting = self._waiting[topic]
        for value in values:
            record = {"value": value, "key": key, "callback": pending.on_report}
            waiting.append(record | ({"headers": list(headers)} if headers else {}))
        if self._is_idle:
            self._timer.cancel()
            self._tick()
        await pending.future
        if pending.error is not None:
            raise KafkaException(pending.error)
        return pending

    def _tick(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, defaultdict(list)
            for topic, messages in waiting.items():
                taken = self._producer.produce_batch(topic, messages)
                if taken < len(messages):
                    raise AssertionError("the queue is full: send less")
        super()._tick()
