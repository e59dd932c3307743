"""Program: an edge or a worker that breaks one promise, to see the fault lab notice.

    CLICKSTREAM_TEST_BROKEN=commit_before_write \\
      python -m pytest tests/faults/outages/test_killed_workers.py

Each of these must make a test of this folder fail; docs/faults.md says which.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pyarrow as pa

from clickstream.commands import main
from core.consistency.position import Position
from core.errors import Unavailable
from core.kafka.partitions import Partition
from producers.kafka_publisher import KafkaPublisher
from stream_processors.consume.offset_ledger import OffsetLedger
from stream_processors.process.retry import UntilItWorks


def commit_before_write() -> None:
    """Offsets are committed as soon as they are fetched."""

    def everything(ledger: OffsetLedger) -> dict[Partition, int]:
        positions = {p: a.position for p, a in ledger._assigned.items()}
        return {p: position for p, position in positions.items() if position is not None}

    OffsetLedger.committable = everything  # type: ignore[method-assign]


def throw_away_what_fails() -> None:
    """What ClickHouse does not take at the first attempt is dropped."""

    def once(_: UntilItWorks, action: Callable[[], object]) -> object:
        try:
            return action()
        except Unavailable:
            return pa.table({})

    UntilItWorks.__call__ = once  # type: ignore[method-assign,assignment]


def answer_before_kafka() -> None:
    """The edge answers 200 while the records are still on their way."""
    send = KafkaPublisher._send
    under_way = set()

    async def at_once(
        self: KafkaPublisher, topic: str, key: bytes, values: list[bytes]
    ) -> Position:
        task = asyncio.ensure_future(send(self, topic, key, values))
        under_way.add(task)
        task.add_done_callback(lambda done: (under_way.discard(done), done.exception()))
        return Position(topic, 0, 0)

    KafkaPublisher._send = at_once  # type: ignore[method-assign]


VERSIONS = {
    each.__name__: each
    for each in (commit_before_write, throw_away_what_fails, answer_before_kafka)
}

if __name__ == "__main__":
    VERSIONS[sys.argv.pop(1)]()
    main()
