"""Wait until no writer can still write rows that it prepared before it knew of the erasure."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from clickstream.operations.erasure.deadline import Deadline
from core.clickhouse import database_of
from core.clickhouse.admin import Server
from core.consistency.sink_progress import SinkProgress
from core.kafka.offsets import KafkaOffsets
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topics import Topics

# Seconds: the limit of each request to Kafka, and the pause between two queries of ClickHouse.
_REQUEST_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.1

_FLUSHES: Final = "waiting for the workers to write what they had in hand (are they running?)"
_INSERTS: Final = "waiting for inserts that were running"


def wait_for_in_flight_writes(settings: Settings, server: Server, deadline: Deadline) -> None:
    """Block until every flush and every insert that began before this call has ended.

    A worker reads the erasures after each flush and before its commit. Once the workers have
    committed everything that is in the log now, a row that they wrote without knowing of an erasure
    published before this call is either in the tables, where it is found, or deleted again.

    Raises SinkBehind after the deadline, BrokerUnavailable, SinkUnavailable.
    """
    live = database_of(settings)
    # The commits come first: after them no further insert of those flushes can begin.
    asyncio.run(_wait_for_commits(settings, deadline))
    inserts = server.running_inserts(live)
    while inserts & server.running_inserts(live):
        deadline.remaining(_INSERTS)
        time.sleep(_POLL_SECONDS)


async def _wait_for_commits(settings: Settings, deadline: Deadline) -> None:
    topics = Topics.from_settings(settings)
    offsets = KafkaOffsets(
        settings.kafka_options(), group=settings.worker.group, request_seconds=_REQUEST_SECONDS
    )
    progress = SinkProgress(offsets)
    try:
        async with asyncio.timeout(deadline.remaining(_FLUSHES)):
            ends = await progress.ends(
                [
                    Partition(topic, number)
                    for topic in (topics.sessions, topics.events, topics.marks)
                    for number in range(settings.topics.partitions)
                ]
            )
            await progress.reached(ends)
    except TimeoutError:
        raise deadline.exceeded(_FLUSHES) from None
    finally:
        await progress.close()
